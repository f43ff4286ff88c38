"""Whether a process should be sent requests, and what is not as it should be: the value, and the page that tells it."""

from gateway_filters.readiness.page import ReadinessPage
from gateway_filters.readiness.standing import Readiness, Standing, Trouble

__all__ = ["Readiness", "ReadinessPage", "Standing", "Trouble"]
