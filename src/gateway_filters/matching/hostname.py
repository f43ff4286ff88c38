"""Host names of listeners and routes: exact ones, wildcards, and where two of them meet.

A wildcard ``*.example.com`` covers one or more leading labels and never ``example.com`` itself (Gateway
API, Hostname). ``None`` stands for any host name. All in lower case.
"""


def covers(pattern: str | None, host: str) -> bool:
    """Whether ``pattern`` takes the host name ``host``, which may itself be a wildcard."""
    if pattern is None or pattern == host:
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) > len(pattern[1:])


def intersection(listener: str | None, route: str | None) -> str | None:
    """The narrower of two host names that meet.

    Raises ``ValueError`` when they do not: no request can have both.
    """
    if route is None or (listener is not None and covers(route, listener)):
        return listener
    if covers(listener, route):
        return route
    raise ValueError(f"host name {route} is outside {listener}")


def precedence(pattern: str | None) -> tuple[int, int]:
    """Smaller wins: exact before wildcard before any, and the longer one first (Gateway API, HTTPRouteRule)."""
    if pattern is None:
        return (2, 0)
    return (int(pattern.startswith("*.")), -len(pattern))


def parents(host: str) -> list[str]:
    """The wildcards that cover ``host``, longest first."""
    labels = host.split(".")
    return [f"*.{'.'.join(labels[cut:])}" for cut in range(1 if labels[0] else 2, len(labels))]


def host_of(authority: bytes) -> str:
    """The host name of a Host header, in lower case and without its port; not a name at all gives ``""``."""
    host = authority.decode("ascii", "replace").lower()
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0].removesuffix(".")
