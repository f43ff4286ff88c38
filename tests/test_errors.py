"""The table from an error to what a client is told."""

import pytest

from gateway_filters.errors import (
    BadRequest,
    ClientError,
    ConfigurationError,
    FieldTooLong,
    GatewayError,
    GatewayFiltersError,
    KeysUnavailable,
    ManifestError,
    PathTooLong,
    PermissionDenied,
    RouteRefused,
    SecretUnavailable,
    Unauthenticated,
    UpstreamAborted,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
    verdict,
)


class _Refined(UpstreamTimeout):
    """An error that the table does not name, below one that it does."""


STATUSES = [
    pytest.param(BadRequest("x"), 400, id="a request that cannot be forwarded is the client's fault"),
    pytest.param(PathTooLong("x"), 414, id="a path that takes too long to find a route for is too long"),
    pytest.param(FieldTooLong("x"), 431, id="a field that takes too long to compare is too long"),
    pytest.param(Unauthenticated("x"), 401, id="a client that nobody knows is not authenticated"),
    pytest.param(PermissionDenied("x"), 403, id="a client that may not is denied"),
    pytest.param(KeysUnavailable("x"), 503, id="keys that cannot be had may come back"),
    pytest.param(RouteRefused("x"), 500, id="a route that cannot run is the gateway's fault"),
    pytest.param(SecretUnavailable("x"), 503, id="a missing credential may come back"),
    pytest.param(UpstreamUnreachable("x"), 503, id="an upstream that cannot be reached may come back"),
    pytest.param(UpstreamBusy("x"), 503, id="a full pool may empty"),
    pytest.param(UpstreamMalformed("x"), 502, id="an answer that is not HTTP is a bad gateway"),
    pytest.param(UpstreamTimeout("x"), 504, id="an upstream that says nothing is a gateway timeout"),
    pytest.param(UpstreamAborted("x"), 502, id="an upstream error without a row of its own is a bad gateway"),
    pytest.param(_Refined("x"), 504, id="an error below a row has that row"),
    pytest.param(RuntimeError("x"), 500, id="an unknown exception is the gateway's fault"),
    pytest.param(GatewayFiltersError("x"), 500, id="an error of ours without a row is the gateway's fault"),
]


@pytest.mark.parametrize(("error", "status"), STATUSES)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    """The nearest row of an error's class hierarchy gives the status."""
    assert verdict(error).status == status


@pytest.mark.parametrize(("error", "status"), STATUSES)
def test_a_client_is_told_constant_words(error: Exception, status: int) -> None:
    """What a client is told depends on the error's class and never on its text."""
    assert verdict(type(error)("sk-live-secret at https://internal/?key=1")) == verdict(error)
    assert verdict(error).message and verdict(error).type


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        pytest.param(BadRequest, ClientError, id="a bad request is the client's"),
        pytest.param(RouteRefused, GatewayError, id="a refused route is the gateway's"),
        pytest.param(SecretUnavailable, GatewayError, id="a missing credential is the gateway's"),
        pytest.param(UpstreamUnreachable, UpstreamError, id="no connection is the upstream's"),
        pytest.param(UpstreamBusy, UpstreamError, id="a full pool is the upstream's"),
        pytest.param(UpstreamMalformed, UpstreamError, id="a broken answer is the upstream's"),
        pytest.param(UpstreamTimeout, UpstreamError, id="silence is the upstream's"),
        pytest.param(UpstreamAborted, UpstreamError, id="a broken off answer is the upstream's"),
        pytest.param(ManifestError, ConfigurationError, id="a bad manifest is bad configuration"),
        pytest.param(ConfigurationError, ValueError, id="bad configuration is a bad value"),
    ],
)
def test_each_error_has_its_side(kind: type[Exception], side: type[Exception]) -> None:
    """Every error belongs to one side, and all of them to this package."""
    assert issubclass(kind, side) and issubclass(kind, GatewayFiltersError)
