"""What clients show to say who they are, and how it is checked: bytes in, a name or claims out; no requests."""

from gateway_filters.credentials.fetched_keys import FetchedKeys
from gateway_filters.credentials.key_set import KeySet, KeySource
from gateway_filters.credentials.roll import Roll, RollSource
from gateway_filters.credentials.token import Expectations

__all__ = ["Expectations", "FetchedKeys", "KeySet", "KeySource", "Roll", "RollSource"]
