"""What can go wrong, on whose side, and the one table from an error to a status.

Three sides: the client sent something we refuse, the gateway cannot serve what it was configured for,
the upstream failed. A foreign exception becomes one of these at the border where it enters, once, with
its cause kept. The text of an error is for the log; a client only ever sees the table's constant words.
No text here may hold a credential, a header value or a query.
"""

from dataclasses import dataclass


class GatewayFiltersError(Exception):
    """Base of every error that this package raises on purpose; ``request_id`` is the one a client was told with it."""

    request_id: str = ""


class ConfigurationError(GatewayFiltersError, ValueError):
    """A value given at construction cannot work; says which and why in one sentence."""


class ManifestError(ConfigurationError):
    """A manifest cannot be read or breaks its schema; one sentence with object, field and file:line:column.

    It is one line, whatever the manifest holds. ``others`` are more faults of the same object, a sentence each.
    """

    others: tuple[str, ...] = ()

    def __init__(self, sentence: str) -> None:
        super().__init__(one_line(sentence))


class ClientError(GatewayFiltersError):
    """The client's side: the request is refused."""


class BadRequest(ClientError):
    """The request cannot be forwarded as it is."""


class BadFraming(BadRequest):
    """Where the request ends can be read in two ways, so nothing behind it is read (RFC 9112 6.1)."""


class PathTooLong(ClientError):
    """The path is so long that finding a route for it would take too much time."""


class FieldTooLong(ClientError):
    """A header, a cookie or a query parameter is so long that comparing it would take too much time."""


class MethodNotAllowed(ClientError):
    """The method is never forwarded."""


class VersionNotServed(ClientError):
    """The request came in a version of HTTP that is too old."""


class PathMoved(ClientError):
    """The request is to be made for another path, ``location`` (path and query)."""

    def __init__(self, reason: str, location: str) -> None:
        super().__init__(reason)
        self.location = location


class Unauthenticated(ClientError):
    """The client has not shown who it is: no credential, or one that does not count.

    ``challenge`` is what WWW-Authenticate tells it (RFC 9110 11.6.1).
    """

    def __init__(self, reason: str, challenge: str = "Bearer") -> None:
        super().__init__(reason)
        self.challenge = challenge


class PermissionDenied(ClientError):
    """The client may not do this, whoever it is."""


class ClientDisconnected(ClientError):
    """The client left before its answer was complete; nobody is there to be told."""


class GatewayError(GatewayFiltersError):
    """The gateway's side: it cannot do what the route asks for."""


class RouteRefused(GatewayError):
    """The route names something that is missing, invalid or not understood, so it never runs without it."""


class KeysUnavailable(GatewayError):
    """Nothing to check a client's credential with, so it does not count: names the reference."""


class SecretUnavailable(GatewayError):
    """No usable credential, so no request: names the reference, never the value."""


class SecretRevoked(SecretUnavailable):
    """The source says that the credential is gone or forbidden, so the last good one does not count either."""


class UpstreamError(GatewayFiltersError):
    """The upstream's side: the exchange failed before its answer was complete."""


class UpstreamUnreachable(UpstreamError):
    """No connection (name, refusal, TLS) or it was lost before an answer began."""


class StaleConnection(UpstreamUnreachable):
    """A connection that had served before was lost, and not a byte had come back on it: the next one may hold."""


class NotConnected(UpstreamUnreachable):
    """No connection was made, so nothing was sent and another place may be tried."""


class UpstreamBusy(UpstreamError):
    """No connection of the pool became free in time."""


class UpstreamMalformed(UpstreamError):
    """The upstream answered with something that is not HTTP."""


class CredentialEchoed(UpstreamError):
    """The upstream's answer carries the credential that was injected into the request."""


class UpstreamTimeout(UpstreamError):
    """A clock ran out before the answer began."""


class ConnectTimeout(UpstreamTimeout, NotConnected):
    """No connection was made in time."""


class UpstreamAborted(UpstreamError):
    """The answer broke off after it had begun: the client's connection must break off too."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a client is told of an error: a status, a type in the OpenAI error shape, constant words."""

    status: int
    type: str
    message: str


# Looked up along the error's class hierarchy, so the most exact row wins.
VERDICTS: dict[type[BaseException], Verdict] = {
    BadRequest: Verdict(400, "invalid_request_error", "The request was refused."),
    PathMoved: Verdict(307, "path_moved", "The path is to be asked for in another spelling."),
    PathTooLong: Verdict(414, "invalid_request_error", "The path is too long."),
    FieldTooLong: Verdict(431, "invalid_request_error", "A field is too long."),
    MethodNotAllowed: Verdict(405, "invalid_request_error", "The method is not allowed."),
    VersionNotServed: Verdict(426, "invalid_request_error", "HTTP/1.1 is needed."),
    Unauthenticated: Verdict(401, "authentication_error", "The request is not authenticated."),
    PermissionDenied: Verdict(403, "permission_denied", "The request is not permitted."),
    RouteRefused: Verdict(500, "gateway_error", "The gateway's configuration does not allow this request."),
    SecretUnavailable: Verdict(503, "credential_unavailable", "The gateway has no credential for this route."),
    KeysUnavailable: Verdict(503, "authentication_unavailable", "The gateway cannot check credentials now."),
    UpstreamUnreachable: Verdict(503, "upstream_unreachable", "The upstream could not be reached."),
    UpstreamBusy: Verdict(503, "upstream_busy", "The upstream's connections are all in use."),
    UpstreamMalformed: Verdict(502, "upstream_malformed", "The upstream's answer could not be understood."),
    CredentialEchoed: Verdict(502, "upstream_error", "The upstream's answer was withheld."),
    UpstreamTimeout: Verdict(504, "upstream_timeout", "The upstream did not answer in time."),
    UpstreamError: Verdict(502, "upstream_error", "The upstream failed."),
    BaseException: Verdict(500, "gateway_error", "The gateway failed."),
}


def verdict(error: BaseException) -> Verdict:
    """The table's row for ``error``: that of its class, or of the nearest base class that has one."""
    return next(VERDICTS[kind] for kind in type(error).__mro__ if kind in VERDICTS)


def one_line(text: str) -> str:
    """``text`` with escapes for what would end a line, or what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
