"""RequestRedirect: sends the client elsewhere (Gateway API, HTTPRequestRedirectFilter).

Facts
- Without a port of its own a redirect leads to the well-known port of its scheme; without a scheme of its own
  either, to the listener's port, whatever port the client claims in Host.
- ``:80`` is left out for http and ``:443`` for https.
- The query is kept, which Gateway API leaves open.
"""

import re
from dataclasses import dataclass, field

from gateway_filters.errors import BadRequest, ConfigurationError
from gateway_filters.filters.filter import Filter
from gateway_filters.filters.url_rewrite import PathModifier
from gateway_filters.message.authority import split_authority
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.message.text import authority, settle

_WELL_KNOWN = {"http": 80, "https": 443}
_DEFAULT_PORTS = {scheme.encode(): port for scheme, port in _WELL_KNOWN.items()}
_STATUSES = (301, 302, 303, 307, 308)
# What no URL holds as it is, and the mark that would make the rest of it a fragment.
_UNSENDABLE = re.compile(rb"[^!-~]|#")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRedirect(Filter):
    """Answers every request with an absolute Location and no body.

    What is not given is the request's own: ``scheme`` (http or https), ``hostname`` (without a port),
    ``port``, ``path`` (a modifier, as for ``URLRewrite``). ``status`` is 301, 302, 303, 307 or 308.
    ``listener_port`` is the port that the listener has in its manifest; without it that of Host stands for
    it. Paths are those below the mount point. Raises ``ConfigurationError`` for anything else; ``on_request``
    raises ``BadRequest`` when it needs a Host that is not one.
    """

    scheme: str | None = None
    hostname: str | None = None
    port: int | None = None
    path: PathModifier | None = None
    status: int = 302
    listener_port: int | None = None
    _scheme: bytes | None = field(init=False, repr=False, compare=False)
    _host: bytes | None = field(init=False, repr=False, compare=False)
    _port: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.status not in _STATUSES:
            raise ConfigurationError(f"status {self.status} is not one of {', '.join(map(str, _STATUSES))}")
        if self.scheme not in (None, *_WELL_KNOWN):
            raise ConfigurationError(f"scheme {self.scheme!r} is neither http nor https")
        own = _port(self.port, "port") or _WELL_KNOWN.get(self.scheme or "")
        settle(
            self,
            _scheme=None if self.scheme is None else self.scheme.encode(),
            _host=None if self.hostname is None else _host(self.hostname),
            _port=own or _port(self.listener_port, "listener port"),
        )

    def on_request(self, head: RequestHead) -> Reply:
        """The redirect."""
        scheme = self._scheme or head.scheme
        location = b"%b://%b%b" % (scheme, self._authority(head, scheme), self._target(head))
        return Reply(self.status, ((b"location", location),))

    def _authority(self, head: RequestHead, scheme: bytes) -> bytes:
        host, port = self._host, self._port
        if host is None or port is None:
            claimed = split_authority(head.authority, "Host")
            host, port = host or claimed[0], port or claimed[1]
        return host if port in (None, _DEFAULT_PORTS.get(scheme)) else b"%b:%d" % (host, port)

    def _target(self, head: RequestHead) -> bytes:
        path = head.path if self.path is None else self.path.apply(head.path)
        if not path.startswith(b"/"):
            # Right after the host, ``@evil.example`` or ``.evil.example`` would make another host of it.
            raise BadRequest("the path does not begin with '/'")
        return _UNSENDABLE.sub(_escaped, path + b"?" + head.query if head.query else path)


def _port(port: int | None, what: str) -> int | None:
    if port is not None and not 1 <= port <= 65535:
        raise ConfigurationError(f"{what} {port} is not from 1 to 65535")
    return port


def _host(hostname: str) -> bytes:
    host = authority(hostname, "hostname")
    if b":" in host and not host.endswith(b"]"):
        raise ConfigurationError(f"hostname {hostname!r} must not have a port")
    return host


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(found[0])
