"""What would happen to a request, as a plain value: nothing is sent, nothing is awaited, no secret is shown."""

from gateway_filters.explanation.explain import explain
from gateway_filters.explanation.request import Asked, asked
from gateway_filters.explanation.values import Explanation

__all__ = ["Asked", "Explanation", "asked", "explain"]
