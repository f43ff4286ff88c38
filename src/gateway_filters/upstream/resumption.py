"""TLS sessions of one origin: a new connection resumes where an old one shook hands, without its certificates.

Facts
- Event loops hand no session to a new connection, but they ask its context to wrap it: this one adds the session.
- In TLS 1.3 the tickets come after the handshake, with the first data (RFC 8446 4.6.1). So a session is taken from
  the last connection when the next one is made, and no request pays for it.
- A resumed connection shows no certificate, so sessions are of one origin, one name and one context, and an hour
  after a whole handshake there is another one.
- A session whose handshake failed is not offered again.
"""

import ssl
import time
from typing import Self, cast

_LONGEST = 3600.0  # seconds; RFC 8446 4.6.1 would allow a week
_now = time.monotonic


class ResumingContext(ssl.SSLContext):
    """Stands for ``context`` on the way to one origin, and offers the session of the connection before."""

    _context: ssl.SSLContext
    _last: ssl.SSLObject | None
    _session: ssl.SSLSession | None
    _ends: float

    @classmethod
    def of(cls, context: ssl.SSLContext) -> Self:
        """A stand-in for ``context``, with no session yet."""
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made._context = context
        made.forget()
        return made

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the base class's
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """A connection of the context, with the last session where there is one."""
        return self._context.wrap_bio(incoming, outgoing, server_side, server_hostname, session or self._offered())

    def keep(self, connection: object) -> None:
        """The connection has shaken hands; its session is for the next one."""
        made = cast("ssl.SSLObject", connection)
        self._offered()  # the session of the connection before, which this one may not have yet
        if not made.session_reused:
            self._session, self._ends = None, _now() + _LONGEST
        self._last = made

    def forget(self) -> None:
        """Offer none of the sessions there are."""
        self._last = self._session = None
        self._ends = 0.0

    def _offered(self) -> ssl.SSLSession | None:
        if self._ends < _now():
            self.forget()
        if self._last is not None:
            latest = self._last.session
            if latest is not None and (latest.has_ticket or self._last.version() != "TLSv1.3"):
                self._session = latest
        return self._session
