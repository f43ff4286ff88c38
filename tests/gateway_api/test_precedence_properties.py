"""Precedence as Gateway API writes it, read once more and by itself: the strongest of all matching triples wins.

Nothing below asks our own matches or host names: a request is held against each match as the specification's
sections say (hostnames 3, conditions 4, precedence 5), and of all that take it the maximum by the listed
criteria wins. Regular expressions are left out, since Gateway API gives them no place.
"""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.matching import ExactMatch, HeaderMatch, Match, PrefixMatch, QueryParamMatch
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import Listener, ListenerTable, Route, RouteTable


@dataclass(frozen=True)
class Written:
    """One match of a rule as a manifest would hold it."""

    hostname: str | None
    exact: bool
    path: str
    method: str | None
    headers: tuple[tuple[str, str], ...]
    params: tuple[tuple[str, str], ...]

    def route(self, name: str) -> Route:
        """The same for the table."""
        match = Match(
            ExactMatch(self.path) if self.exact else PrefixMatch(self.path),
            self.method,
            tuple(HeaderMatch(*each) for each in self.headers),
            tuple(QueryParamMatch(*each) for each in self.params),
        )
        return Route(name, match, self.hostname)


@dataclass(frozen=True)
class Asked:
    """A request."""

    host: str
    path: str
    method: str
    headers: tuple[tuple[str, str], ...]
    params: tuple[tuple[str, str], ...]

    def head(self) -> RequestHead:
        """The same as bytes; the port of Host never counts."""
        return RequestHead(
            self.method.encode(),
            self.path.encode(),
            authority=f"{self.host}:8080".encode(),
            query="&".join(f"{name}={value}" for name, value in self.params).encode(),
            headers=tuple((name.encode(), value.encode()) for name, value in self.headers),
        )


def _hostname_takes(pattern: str | None, host: str) -> bool:
    """Section 3: whole labels; a wildcard stands for one label or more, and never for none."""
    if pattern is None:
        return True
    wanted, found = pattern.split("."), host.lower().split(".")
    if wanted[0] != "*":
        return wanted == found
    return len(found) >= len(wanted) and found[-len(wanted[1:]) :] == wanted[1:]


def _path_takes(written: Written, path: str) -> bool:
    """Section 4: byte for byte, or by whole elements where one trailing slash of the value does not count."""
    if written.exact:
        return path == written.path
    wanted = written.path.removesuffix("/")
    return path == wanted or path[: len(wanted) + 1] == f"{wanted}/"


def _takes(written: Written, asked: Asked) -> bool:
    """Section 4: all conditions hold; the first entry of a header's name counts, and the first of a parameter."""
    conditions: dict[str, str] = {}
    for name, value in written.headers:
        conditions.setdefault(name.lower(), value)
    parameters: dict[str, str] = {}
    for name, value in asked.params:
        parameters.setdefault(name, value)
    headers = dict(asked.headers)
    return (
        _hostname_takes(written.hostname, asked.host)
        and _path_takes(written, asked.path)
        and written.method in (None, asked.method)
        and all(headers.get(name) == value for name, value in conditions.items())
        and all(parameters.get(name) == value for name, value in written.params)
    )


def _strength(written: Written) -> tuple[int, ...]:
    """Section 5, criteria 1 to 6; a greater one wins."""
    name = written.hostname or ""
    return (
        len(name) if name and not name.startswith("*.") else 0,
        len(name),
        int(written.exact),
        0 if written.exact else len(written.path),
        int(written.method is not None),
        len({name.lower() for name, _ in written.headers}),
        len(written.params),
    )


def _winner(written: list[Written], asked: Asked) -> int | None:
    """The index of the strongest match; of equal ones the first, which is criterion 7 and 8 for ordered routes."""
    taking = [index for index, each in enumerate(written) if _takes(each, asked)]
    return max(taking, key=lambda index: (_strength(written[index]), -index), default=None)


# Few values and conditions, so that most requests are taken by several matches and the order decides.
HOSTNAMES = ("*.io", "*.b.io", "*.a.b.io", "a.b.io", "x.a.b.io", "b.io", "*.aa.b.io")
PATHS = ("/", "/v1", "/v1/", "/v1/x", "/v1/x/y", "/v1x", "/V1")
MATCHES = st.builds(
    Written,
    hostname=st.sampled_from((None, None, *HOSTNAMES)),
    exact=st.sampled_from((False, False, True)),
    path=st.sampled_from(PATHS),
    method=st.sampled_from((None, None, "GET", "PUT")),
    headers=st.sampled_from(
        (
            (),
            (),
            (("h", "1"),),
            (("other", "1"),),
            (("h", "2"),),
            (("H", "1"), ("h", "2")),
            (("h", "2"), ("H", "1")),
            (("h", "1"), ("other", "1")),
        )
    ),
    params=st.sampled_from(
        ((), (), (("p", "1"),), (("q", "1"),), (("P", "1"),), (("p", "2"),), (("p", "1"), ("q", "1")))
    ),
)
# Alike in everything that comes before the fields.
TIED = MATCHES.map(lambda written: replace(written, hostname=None, exact=False, path="/v1", method=None))
REQUESTS = st.builds(
    Asked,
    host=st.sampled_from(("x.a.b.io", "x.a.b.io", "X.A.b.io", "a.b.io", "b.io", "c.aa.b.io", "io", "nowhere.net")),
    path=st.sampled_from(("/v1/x", "/v1/x", "/v1/x/y", "/v1", "/v1/", "/v1x", "/v1//x", "/v1/x/", "/other")),
    method=st.sampled_from(("GET", "GET", "PUT", "HEAD")),
    headers=st.sampled_from(((("h", "1"), ("other", "1")), (("h", "1"),), (("h", "2"),), ())),
    params=st.sampled_from(
        ((("p", "1"), ("q", "1")), (("p", "1"), ("p", "2")), (("p", "2"), ("p", "1")), (("P", "1"),), ())
    ),
)


@settings(derandomize=True, max_examples=250)
@given(
    written=st.lists(MATCHES, max_size=12),
    requests=st.lists(REQUESTS, min_size=1, max_size=6),
)
def test_the_strongest_match_of_all_takes_the_request(written: list[Written], requests: list[Asked]) -> None:
    """The table's answer is the maximum over all matches that take the request, by the specification's criteria."""
    _assert_the_strongest_wins(written, requests)


@settings(derandomize=True, max_examples=250)
@given(written=st.lists(TIED, max_size=6), requests=st.lists(REQUESTS, min_size=1, max_size=6))
def test_fields_decide_between_matches_alike_in_everything_before(
    written: list[Written], requests: list[Asked]
) -> None:
    """Between matches of one host name, path and method more headers win, then more parameters, then the first."""
    _assert_the_strongest_wins(written, requests)


def _assert_the_strongest_wins(written: list[Written], requests: list[Asked]) -> None:
    table = RouteTable(each.route(str(index)) for index, each in enumerate(written))
    for asked in requests:
        found, winner = table.find(asked.head()), _winner(written, asked)
        assert (found and found.name) == (None if winner is None else str(winner))


@settings(derandomize=True, max_examples=150)
@given(
    listeners=st.lists(
        st.tuples(st.sampled_from((None, *HOSTNAMES)), st.lists(MATCHES, max_size=4)),
        max_size=4,
        unique_by=lambda listener: listener[0],
    ),
    requests=st.lists(REQUESTS, min_size=1, max_size=6),
)
def test_only_the_most_specific_listener_is_asked(
    listeners: list[tuple[str | None, list[Written]]], requests: list[Asked]
) -> None:
    """Section 1: of all listeners the one whose own host name fits best; where it has no route, nobody has."""
    table = ListenerTable(
        Listener(
            str(number), 80, hostname, tuple(each.route(f"{number}/{index}") for index, each in enumerate(written))
        )
        for number, (hostname, written) in enumerate(listeners)
    )
    for asked in requests:
        fitting = [number for number, (hostname, _) in enumerate(listeners) if _hostname_takes(hostname, asked.host)]
        best = max(fitting, key=lambda number: _specific(listeners[number][0]), default=None)
        winner = None if best is None else _winner(listeners[best][1], asked)
        found = table.find(asked.head())
        assert (found and found.name) == (None if winner is None else f"{best}/{winner}")


def _specific(hostname: str | None) -> tuple[bool, int]:
    """Exact, then the wildcard with more labels to the right of ``*``, then none."""
    name = hostname or ""
    return (bool(name) and not name.startswith("*."), name.count(".") if name else -1)
