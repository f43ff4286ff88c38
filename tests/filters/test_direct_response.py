"""DirectResponse and Refusal: answers that the gateway gives itself."""

import pytest

from gateway_filters.errors import ConfigurationError, RouteRefused
from gateway_filters.filters import DirectResponse, Refusal
from gateway_filters.message.head import Reply, RequestHead

HEAD = RequestHead(b"GET", b"/anything")


@pytest.mark.parametrize(
    ("response", "reply"),
    [
        pytest.param(DirectResponse(), Reply(200), id="by default an empty 200"),
        pytest.param(DirectResponse(404, "gone"), Reply(404, (), b"gone"), id="a status and a body"),
        pytest.param(DirectResponse(200, "你"), Reply(200, (), b"\xe4\xbd\xa0"), id="a body goes out as UTF-8"),
        pytest.param(DirectResponse(200, "%REQ(:path)%"), Reply(200, (), b"%REQ(:path)%"), id="nothing is filled in"),
        pytest.param(
            DirectResponse(503, "{}", "application/json"),
            Reply(503, ((b"content-type", b"application/json"),), b"{}"),
            id="a content type",
        ),
        pytest.param(DirectResponse(599), Reply(599), id="the highest status"),
    ],
)
def test_a_direct_response_answers(response: DirectResponse, reply: Reply) -> None:
    """Every request is answered with the configured status, body and content type."""
    assert response.on_request(HEAD) == reply


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 101, 199, 600, 1000])
def test_a_status_that_ends_no_exchange_is_refused(status: int) -> None:
    """Only a final status, 200 to 599, is an answer."""
    with pytest.raises(ConfigurationError, match=str(status)):
        DirectResponse(status)


@pytest.mark.parametrize("content_type", ["text/plain\r\nx: y", " text/plain", "téxt/plain"])
def test_a_bad_content_type_is_refused(content_type: str) -> None:
    """What no header can carry is refused when the filter is built."""
    with pytest.raises(ConfigurationError, match="content type"):
        DirectResponse(content_type=content_type)


def test_a_refusal_refuses() -> None:
    """Every request is refused with the reason, for the log."""
    with pytest.raises(RouteRefused, match=r"^Service default/x does not exist$"):
        Refusal("Service default/x does not exist").on_request(HEAD)
