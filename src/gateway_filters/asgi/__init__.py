"""The rooms that read and write ASGI scopes: the shell, dispatch, failures, lifespan."""

from gateway_filters.asgi.dispatch import PathPrefix
from gateway_filters.asgi.filtered import FilteredApp, chain
from gateway_filters.asgi.lifespan import gateway_lifespan

__all__ = ["FilteredApp", "PathPrefix", "chain", "gateway_lifespan"]
