"""Why a WebSocket is not opened, before anybody is dialled."""

from gateway_filters.errors import GatewayFiltersError, PermissionDenied, UpstreamError


def websocket_obstacle(name: str, *, injected: bool, named: bool, upgrades: bool) -> GatewayFiltersError | None:
    """Why none is opened to the upstream ``name``; None when one may be.

    ``injected``: it would carry a credential of the gateway's, which is for upstreams that are ``named`` as speaking
    WebSocket only: any web page may open one to anywhere, without a preflight, and would spend it. ``upgrades``:
    whether the upstream is reached in a way that a WebSocket can take.
    """
    if injected and not named:
        return PermissionDenied(f"a WebSocket with an injected credential, and {name} does not name ws or wss")
    if not upgrades:
        return UpstreamError(f"{name} is reached in a way that no WebSocket can take")
    return None
