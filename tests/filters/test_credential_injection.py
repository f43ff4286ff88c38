"""CredentialInjection: one credential, in one header, or no request."""

import pytest

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.filters import CredentialInjection
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers
from gateway_filters.message.secret import Secret, SecretSource
from gateway_filters.secrets import MemorySecret, MissingSecret

VALUE = "Bearer sk-live-not-a-real-key"
SENT = VALUE.encode()


class _Counted(SecretSource):
    """A source that counts how often it is asked and prepared."""

    def __init__(self) -> None:
        self.asked = 0
        self.prepared = 0

    def current(self) -> Secret:
        self.asked += 1
        return Secret(f"key {self.asked}")

    async def prepare(self) -> None:
        self.prepared += 1


def _head(*headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"POST", b"/v1", authority=b"h", query=b"q=1", headers=headers)


@pytest.mark.parametrize(
    ("overwrite", "client", "sent"),
    [
        pytest.param(False, (), [SENT], id="a bare request gets the credential"),
        pytest.param(True, (), [SENT], id="a bare request gets it with overwrite too"),
        pytest.param(False, (b"mine",), [b"mine"], id="without overwrite the client's header stands"),
        pytest.param(False, (b"",), [b""], id="without overwrite even an empty header stands"),
        pytest.param(
            False,
            (b"one", b"two"),
            [b"one"],
            id="without overwrite the first of the client's stands: exactly one leaves",
        ),
        pytest.param(True, (b"mine",), [SENT], id="overwrite replaces the client's header"),
        pytest.param(True, (b"",), [SENT], id="overwrite replaces an empty header"),
        pytest.param(True, (b"one", b"", b"two"), [SENT], id="overwrite leaves exactly one"),
    ],
)
@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "api-key"])
def test_the_credential_is_injected(header: str, overwrite: bool, client: tuple[bytes, ...], sent: list[bytes]) -> None:
    """Without overwrite a header that exists stands, with it exactly the credential is sent, byte for byte."""
    name = header.lower().encode()
    others: Headers = ((b"accept", b"a"), (b"x-authorization", b"z"), (b"accept", b"b"))
    head = _head(*others, *((name, value) for value in client))
    after = CredentialInjection(MemorySecret(VALUE), header, overwrite=overwrite).on_request(head)
    assert list(after.values(name)) == sent
    assert after.without_header(name) == _head(*others)


def test_authorization_is_the_default_and_the_client_wins() -> None:
    """By default the header is Authorization and is not overwritten (Envoy Gateway)."""
    injection = CredentialInjection(MemorySecret(VALUE))
    assert injection.on_request(_head()).first(b"authorization") == SENT
    assert injection.on_request(_head((b"authorization", b"mine"))).values(b"authorization") == (b"mine",)


@pytest.mark.parametrize(
    ("overwrite", "headers"),
    [
        pytest.param(False, (), id="without a header of the client's"),
        pytest.param(True, (), id="with overwrite"),
        pytest.param(True, ((b"authorization", b"mine"),), id="with overwrite and a header of the client's"),
    ],
)
def test_no_secret_means_no_request(overwrite: bool, headers: Headers) -> None:
    """A request that should have the credential never passes without it, nor with the client's instead."""
    injection = CredentialInjection(MissingSecret("Secret default/key does not exist"), overwrite=overwrite)
    with pytest.raises(SecretUnavailable, match="Secret default/key does not exist"):
        injection.on_request(_head(*headers))


def test_a_source_is_not_asked_when_the_client_may_speak() -> None:
    """Where the client's own value may stand, the request passes even if there is no secret."""
    source, head = _Counted(), _head((b"authorization", b""))
    assert CredentialInjection(source).on_request(head) == head
    assert source.asked == 0
    assert CredentialInjection(MissingSecret("none")).on_request(head) == head


def test_each_request_has_the_current_secret() -> None:
    """The source is asked once for each request, so a new secret is in the next one."""
    injection = CredentialInjection(_Counted(), "x-key")
    assert [injection.on_request(_head()).first(b"x-key") for _ in range(3)] == [b"key 1", b"key 2", b"key 3"]


async def test_preparing_prepares_the_source() -> None:
    """What must wait for a remote secret waits in prepare, which asks the source to."""
    source = _Counted()
    await CredentialInjection(source).prepare(_head())
    assert (source.prepared, source.asked) == (1, 0)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="no name"),
        pytest.param("x y", id="a blank"),
        pytest.param("Authorization:", id="a colon"),
        pytest.param("x\r\ny", id="a line end"),
        pytest.param("é", id="a letter beyond ASCII"),
        pytest.param("Host", id="the destination"),
        pytest.param("Content-Length", id="the length"),
        pytest.param("Connection", id="the connection"),
        pytest.param("transfer-encoding", id="the framing"),
        pytest.param("TE", id="the transfer codings"),
        pytest.param("Upgrade", id="the protocol"),
        pytest.param("Keep-Alive", id="the connection's lifetime"),
    ],
)
def test_a_header_that_carries_no_credential_is_refused(header: str) -> None:
    """What is no header name, and what frames or routes a message, is refused when the filter is built."""
    with pytest.raises(ConfigurationError) as caught:
        CredentialInjection(MemorySecret(VALUE), header)
    assert "sk-live" not in str(caught.value)


def test_no_text_of_the_filter_shows_the_credential() -> None:
    """The filter's repr names the header and hides the value, as does that of the head it made."""
    injection = CredentialInjection(MemorySecret(VALUE), "X-Api-Key", overwrite=True)
    after = injection.on_request(_head())
    assert "X-Api-Key" in repr(injection) and "overwrite=True" in repr(injection)
    assert "sk-live" not in f"{injection!r} {injection} {after!r} {after}"


CLIENTS = (
    (b"authorization", b"a"),
    (b"proxy-authorization", b"b"),
    (b"cookie", b"c"),
    (b"x-api-key", b"d"),
    (b"api-key", b"e"),
    (b"x-goog-api-key", b"f"),
)


@pytest.mark.parametrize(
    ("injection", "left"),
    [
        pytest.param(
            CredentialInjection(MemorySecret(VALUE)), {b"authorization": b"a"}, id="what the route lets stand"
        ),
        pytest.param(
            CredentialInjection(MemorySecret(VALUE), overwrite=True), {b"authorization": SENT}, id="what is injected"
        ),
        pytest.param(
            CredentialInjection(MemorySecret(VALUE), "X-Other"), {b"x-other": SENT}, id="what is injected elsewhere"
        ),
        pytest.param(
            CredentialInjection(MemorySecret(VALUE), overwrite=True, passes=("Cookie",)),
            {b"authorization": SENT, b"cookie": b"c"},
            id="and what is named",
        ),
    ],
)
def test_credentials_of_the_client_stay_here(injection: CredentialInjection, left: dict[bytes, bytes]) -> None:
    """A provider gets one credential, and of the client's own none but that; other headers pass."""
    head = _head(*CLIENTS, (b"x-request-id", b"1"), (b"authorization-info", b"2"))
    others = {b"x-request-id": b"1", b"authorization-info": b"2"}
    assert dict(injection.on_request(head).headers) == others | left


def test_a_second_injection_keeps_the_first() -> None:
    """What a rule injects passes what its backend injects."""
    first = CredentialInjection(MemorySecret(VALUE), "X-Api-Key", overwrite=True)
    second = CredentialInjection(MemorySecret(VALUE), overwrite=True, passes=("X-Api-Key",))
    after = second.on_request(first.on_request(_head(*CLIENTS)))
    assert dict(after.headers) == {b"x-api-key": SENT, b"authorization": SENT}
    assert after.injected == (SENT, SENT)


@pytest.mark.parametrize("overwrite", [True, False])
def test_only_what_is_listed_goes_along(overwrite: bool) -> None:
    """An allow-list is for headers that tell more than a provider should know; what frames a message stays."""
    framing = ((b"content-length", b"2"), (b"sec-websocket-protocol", b"realtime"))
    listed = ((b"content-type", b"text/plain"), (b"accept", b"a"), (b"accept", b"b"))
    others = ((b"x-user", b"me"), (b"cookie", b"c=1"), (b"x-api-key", b"k"), (b"traceparent", b"t"))
    injection = CredentialInjection(
        MemorySecret(VALUE), overwrite=overwrite, only=("Content-Type", "accept"), passes=("X-Api-Key",)
    )
    after = injection.on_request(_head(*framing, *listed, *others))
    assert after.headers == (*framing, *listed, (b"x-api-key", b"k"), (b"authorization", SENT))
    own = injection.on_request(_head((b"authorization", b"mine"), *others))
    stands = (b"authorization", SENT if overwrite else b"mine")
    assert own.headers == ((b"x-api-key", b"k"), stands)


def test_a_list_that_names_no_header_is_refused() -> None:
    """As everywhere where a header is named."""
    with pytest.raises(ConfigurationError):
        CredentialInjection(MemorySecret(VALUE), only=("no header",))
