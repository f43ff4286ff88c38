"""What clients show to say who they are, and how it is checked: bytes in, a name or claims out; no requests."""

from gateway_filters.credentials.roll import Roll, RollSource

__all__ = ["Roll", "RollSource"]
