"""BasicAuth: only who knows the password of a user of the roll comes in (Envoy Gateway, SecurityPolicy, basicAuth).

RFC 7617: ``Basic`` in any case, then Base64 of name and password with a colon between; a password may hold colons.
Two Authorization lines are no credential. Nothing of a password is in a message or the variables of a frame that
raises.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_filters.credentials.roll import Roll, RollSource
from gateway_filters.errors import Unauthenticated
from gateway_filters.filters.filter import Filter
from gateway_filters.filters.places import forwarded_name
from gateway_filters.message.client import Client
from gateway_filters.message.head import RequestHead
from gateway_filters.message.text import settle

_CHALLENGE = 'Basic realm="gateway", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class BasicAuth(Filter):
    """Lets requests pass with a user of ``users`` and their password, and refuses all others with 401.

    ``users`` are names and passwords, of which only digests are kept, or a source of a ``Roll``
    (``Roll.of_htpasswd(text)``). ``forward_username_header`` gets the user's name, in place of whatever the
    client has written there itself. The credential is taken off the request unless ``sanitize`` is false.
    """

    users: Mapping[str, str] | RollSource
    forward_username_header: str | None = None
    sanitize: bool = field(default=True, kw_only=True)
    _forwarded: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.users, Mapping):
            settle(self, users=Roll.of_passwords(self.users))
        settle(self, _forwarded=forwarded_name(self.forward_username_header))

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head of a user that is known; raises ``Unauthenticated`` for anybody else."""
        name = self._name(head)
        if name is None:
            shown = head.first(b"authorization") is not None
            what = "user and password are not known" if shown else "there is no user and password"
            raise Unauthenticated(what, _CHALLENGE)
        if self.sanitize:
            head = head.without_header(b"authorization")
        if self._forwarded is not None:
            head = head.with_header(self._forwarded, name.encode())
        return head.with_client((head.client or Client()).named(name))

    def _name(self, head: RequestHead) -> str | None:
        assert not isinstance(self.users, Mapping)
        roll = self.users.current()
        shown = _shown(head.values(b"authorization"))
        return None if shown is None else roll.of_password(*shown)


def _shown(values: tuple[bytes, ...]) -> tuple[bytes, bytes] | None:
    """User and password that the Authorization lines show, or None."""
    scheme, _, encoded = values[0].partition(b" ") if len(values) == 1 else (b"", b"", b"")
    decoded = _decoded(encoded.strip(b" ")) if scheme.lower() == b"basic" else b""
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None


def _decoded(encoded: bytes) -> bytes:
    """The bytes that are written as Base64, with or without its padding; none for what is no Base64."""
    digits = encoded.rstrip(b"=")
    try:
        return base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        return b""
