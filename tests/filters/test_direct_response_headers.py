"""DirectResponse's own headers (Envoy Gateway, directResponse.header)."""

import pytest

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import DirectResponse
from gateway_filters.message.head import Reply, RequestHead

KIND = (b"content-type", b"text/plain")


@pytest.mark.parametrize(
    ("response", "headers"),
    [
        pytest.param(DirectResponse(headers={"X-A": "1"}), ((b"x-a", b"1"),), id="a mapping"),
        pytest.param(
            DirectResponse(headers=(("x-a", "1"), ("x-a", "2"))), ((b"x-a", b"1"), (b"x-a", b"2")), id="a name twice"
        ),
        pytest.param(
            DirectResponse(content_type="text/plain", headers={"X-A": "1"}), (KIND, (b"x-a", b"1")), id="beside a type"
        ),
        pytest.param(
            DirectResponse(content_type="text/html", headers={"Content-Type": "text/plain"}),
            (KIND,),
            id="a Content-Type among the headers wins",
        ),
        pytest.param(DirectResponse(content_type="text/plain"), (KIND,), id="none"),
    ],
)
def test_headers_go_out_as_listed(response: DirectResponse, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """One line for each pair, in order."""
    assert response.on_request(RequestHead(b"GET", b"/")) == Reply(200, headers)


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": "1"}, {"Transfer-Encoding": "chunked"}, {"a b": "1"}, {"a": "1\r\nb: 2"}],
    ids=["a length", "a framing", "a name that is none", "a line end"],
)
def test_what_no_answer_can_have_is_refused(headers: dict[str, str]) -> None:
    """Headers are checked when the filter is built."""
    with pytest.raises(ConfigurationError, match="header"):
        DirectResponse(headers=headers)


def test_pairs_and_mappings_are_one_value() -> None:
    """A mapping and its pairs give the same hashable value."""
    one, other = DirectResponse(headers={"a": "1"}), DirectResponse(headers=(("a", "1"),))
    assert one == other and hash(one) == hash(other)
