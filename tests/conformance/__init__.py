"""The official Gateway API conformance cases, replayed against ``gateway-filters run``."""
