"""The judgement of the harness: it tells right answers and statuses from wrong ones."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from .cases import Case, Expect, Forwarded, Redirect, Request, StatusAssertion
from .certificates import Certificates, covers
from .expectations import Judged, complaints
from .http1 import Answer, Line
from .probe import Exchange
from .statuses import CONTROLLER, Statuses

ECHO = b'{"path":"/","host":"a","method":"GET","namespace":"ns","pod":"v1-0","headers":{"X-A":["1","2"]}}'
JSON: Line = ("content-type", "application/json")
GET = Forwarded("GET", "/")
WRONG: list[tuple[str, Expect, Answer]] = [
    ("status", Expect(404), Answer(200)),
    ("statuses", Expect(statuses=(500, 503)), Answer(502)),
    ("refused status", Expect(statuses_not=(200,)), Answer(200)),
    ("path", Expect(forwarded=dataclasses.replace(GET, path="/x")), Answer(200, [JSON], ECHO)),
    ("method", Expect(forwarded=dataclasses.replace(GET, method="PUT")), Answer(200, [JSON], ECHO)),
    ("host", Expect(forwarded=dataclasses.replace(GET, host="b")), Answer(200, [JSON], ECHO)),
    ("spaced join", Expect(forwarded=dataclasses.replace(GET, headers={"x-a": "1, 2"})), Answer(200, [JSON], ECHO)),
    ("present header", Expect(forwarded=dataclasses.replace(GET, absent_headers=("x-a",))), Answer(200, [JSON], ECHO)),
    ("no SNI", Expect(forwarded=dataclasses.replace(GET, sni="a")), Answer(200, [JSON], ECHO)),
    ("no echo", Expect(forwarded=GET), Answer(200)),
    ("other backend", Expect(backend="v2"), Answer(200, [JSON], ECHO)),
    ("other namespace", Expect(namespace="other"), Answer(200, [JSON], ECHO)),
    ("echoed preflight", Expect(answered_by_gateway=True), Answer(200, [JSON], ECHO)),
    ("body is no object", Expect(500), Answer(500, [JSON], b"[]")),
    ("no Location", Expect(redirect=Redirect()), Answer(302)),
    ("port of Location", Expect(redirect=Redirect("http", None, None, "/")), Answer(302, [("location", "http://a:81/")])),
    ("response header", Expect(response_headers={"a": "1"}), Answer(200, [("A", "2")])),
    ("blanks", Expect(response_headers_one_of={"a": ("1,2",)}), Answer(200, [("A", "1, 2")])),
    ("present response header", Expect(absent_response_headers=("a",)), Answer(200, [("A", "2")])),
    ("no certificate asked for", Expect(client_cert_requested=True), Answer(200)),
]  # fmt: skip
RIGHT: list[tuple[str, Expect, Answer]] = [
    ("408 for 504", Expect(504), Answer(408)),
    ("relative Location", Expect(redirect=Redirect("http", "a", None, "/x")), Answer(302, [("location", "/x?y")])),
    ("default port", Expect(redirect=Redirect("https", "a", None, "/")), Answer(302, [("location", "https://a:443/")])),
    ("port", Expect(redirect=Redirect("http", None, "81", "/")), Answer(302, [("location", "http://a:81/")])),
    ("lines joined", Expect(forwarded=dataclasses.replace(GET, headers={"x-a": "1,2"})), Answer(200, [JSON], ECHO)),
    ("blanks", Expect(response_headers_one_of={"a": ("1,2",)}, ignore_whitespace=True), Answer(200, [("A", "1, 2")])),
    ("not forwarded on errors", Expect(500, forwarded=GET), Answer(500)),
]  # fmt: skip


def verdict(expect: Expect, answer: Answer) -> list[str]:
    """What is wrong with an answer to ``GET http://a/``."""
    case = Case("ns/gateway", Request("GET", "/", 80, host="a"), expect)
    return list(complaints(Judged(case, Exchange(answer), "127.3.0.1", Certificates(Path()))))


@pytest.mark.parametrize(("expect", "answer"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_answers_are_seen(expect: Expect, answer: Answer) -> None:
    """Each field of ``expect`` catches what it is there for."""
    assert verdict(expect, answer)


@pytest.mark.parametrize(("expect", "answer"), [row[1:] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_right_answers_pass(expect: Expect, answer: Answer) -> None:
    """What the suite lets through is let through."""
    assert verdict(expect, answer) == []


ROUTE: dict[str, Any] = {
    "kind": "HTTPRoute",
    "metadata": {"name": "r", "namespace": "ns", "generation": 2},
    "status": {
        "parents": [
            {
                "controllerName": CONTROLLER,
                "parentRef": {"kind": "ListenerSet", "name": "p", "sectionName": "s", "port": 80},
                "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "observedGeneration": 2}],
            }
        ]
    },
}


@pytest.mark.parametrize("parent", ["ListenerSet/p", "ListenerSet/p#s", "ListenerSet/p:80", "ListenerSet/p#s:80"])
def test_parents_are_found(parent: str) -> None:
    """A parent is named as far as the assertion names it."""
    assert list(Statuses([ROUTE]).complaints(StatusAssertion("HTTPRoute", "ns/r", parent=parent))) == []


@pytest.mark.parametrize("parent", ["p", "ListenerSet/q", "ListenerSet/p#t", "ListenerSet/p:81", "ns/ListenerSet/p"])
def test_other_parents_are_not(parent: str) -> None:
    """Another kind, name, section, port or namespace is another parent."""
    assert list(Statuses([ROUTE]).complaints(StatusAssertion("HTTPRoute", "ns/r", parent=parent)))


def test_wildcards_cover_one_label() -> None:
    """Certificates of the suite name ``*``, ``*.org`` and ``*.wildcard.org``."""
    names = ("*", "*.org", "*.wildcard.org")
    assert [covers(names, each) for each in ("a", "a.org", "b.wildcard.org", "a.b.c.org")] == [True, True, True, False]
