"""Rows for ``test_raw_probes``: bytes of clients and of providers, each with a sentence, and what must come of them.

Names in capitals are tables. Where a row is for ``run`` alone, uvicorn's parser decides before any application is
asked (docs/hardening.md).
"""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["as it is", "withheld", "cut"]


def requesting(
    *fields: bytes, line: bytes = b"GET /v1/x HTTP/1.1", host: bytes = b"Host: h", body: bytes = b""
) -> bytes:
    """A request: a first line, Host, fields and a body."""
    return b"\r\n".join([line, *([host] if host else []), *fields, b"", body])


@dataclass(frozen=True)
class Refused:
    """A request that nobody behind the gateway sees; ``ends``: nothing more is read from its connection."""

    sent: bytes
    statuses: tuple[int, ...] = (400,)
    ends: bool = False


@dataclass(frozen=True)
class Answered:
    """What a provider says, whether it leaves then, and what of it reaches the client: a status and a body."""

    said: bytes
    outcome: Outcome = "as it is"
    status: int = 200
    body: bytes = b"hello"
    leaves: bool = False


# Targets: what the client asks for below /v1, what the provider is asked for.
TARGETS = {
    "dots with parameters are dots": (b"/v1/a/..;b=c/x", b"/x"),
    "a name of dots is a name": (b"/v1/.../..x/x..", b"/.../..x/x.."),
    "a way out and in again": (b"/v1/../v1/./x", b"/x"),
    "half encoded dots": (b"/v1/a/.%2e/x", b"/x"),
    "what is encoded twice": (b"/v1/%252e%252e%252fx", b"/%252e%252e%252fx"),
    "what is encoded thrice": (b"/v1/%25252e", b"/%25252e"),
    "an overlong dot": (b"/v1/%c0%ae%c0%ae/x", b"/%c0%ae%c0%ae/x"),
    "an overlong slash": (b"/v1/..%c0%afx", b"/..%c0%afx"),
    "a full-width slash": (b"/v1/%ef%bc%8fx", b"/%ef%bc%8fx"),
    "an escape of another kind": (b"/v1/%u002e%u002e", b"/%u002e%u002e"),
    "an encoded line end": (b"/v1/%0d%0aX-A:%201", b"/%0d%0aX-A:%201"),
    "groups of regular expressions": (b"/v1/$1/$&/%5b0", b"/$1/$&/%5b0"),
    "an operator of a log": (b"/v1/%REQ(authorization)%", b"/%REQ(authorization)%"),
    "a URL in a path": (b"/v1/http://elsewhere.test/", b"/http:/elsewhere.test/"),
    "a thousand dot segments": (b"/v1" + b"/." * 1000 + b"/x", b"/x"),
    "down and up": (b"/v1" + b"/a/.." * 500 + b"/x", b"/x"),
    "15 KB of path": (b"/v1/" + b"a" * 15_000, b"/" + b"a" * 15_000),
    "15 KB of query": (b"/v1/x?" + b"q" * 15_000, b"/x?" + b"q" * 15_000),
    "anything in a query": (
        b'/v1/x?a=/../b&&%2F=%5c&c=\\&"<>|^`{}&=&b=%zz%00',
        b'/x?a=/../b&&%2F=%5c&c=\\&"<>|^`{}&=&b=%zz%00',
    ),
    "question marks in a query": (b"/v1/x?a?b??", b"/x?a?b??"),
    "a query and slashes before it": (b"/v1//x//?u=//", b"/x/?u=//"),
}

# Hosts that are some.
HOSTS = (
    *(b"h:80", b"H.Example.", b"xn--bcher-kva.test", b"127.0.0.1:8080", b"[::1]", b"[::1]:80", b" \th \t", b"12345"),
    *(b"provider.test", b"elsewhere.test", b"a-b.c_d"),
)

# Paths that lead to no route.
LEADING_NOWHERE = (
    *(b"/v1beta", b"/V1/x", b"/%561/x", b"/v1;a", b"/v1;a=b/x", b"/v1.", b"/v1%2e", b"/v1%20", b"/v1%3Fa", b"/v1%23"),
    *(b"/v1/..", b"/v1/%2E./admin", b"/v1/a/../../admin", b"/v1/./.././admin", b"/v1/../compatible-mode/v1/x"),
    *(b"/compatible-mode/v1/x", b"//elsewhere.test/v1/x", b"/v1%252fx", b"/v1%c0%afx", b"/x/v1", b"/http://h/v1/x"),
)

# Fields: what the client sends, what of it the provider gets.
_EVERY_TOKEN = b"!#$%&'*+-.^`|~09azAZ"
_CHANNELS = (b"Cookie", b"X-Api-Key", b"Api-Key", b"X-Goog-Api-Key", b"Proxy-Authorization", b"AUTHORIZATION")
_CLAIMS = (b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Anything", b"Forwarded", b"X-Real-IP")
FIELDS: dict[str, tuple[list[bytes], list[bytes]]] = {
    "none, and none is invented": ([], []),
    "a name of every character that a token may have": ([_EVERY_TOKEN + b": v"], [_EVERY_TOKEN.lower() + b": v"]),
    "a name of 1 KB": ([b"x" * 1000 + b": v"], [b"x" * 1000 + b": v"]),
    "every byte beyond ASCII": ([b"X-A: " + bytes(range(0x80, 0x100))], [b"x-a: " + bytes(range(0x80, 0x100))]),
    "every printable character": ([b"X-A: " + bytes(range(0x21, 0x7F))], [b"x-a: " + bytes(range(0x21, 0x7F))]),
    "a tab and blanks inside": ([b"X-A: a\tb   c"], [b"x-a: a\tb   c"]),
    "no blank before the value": ([b"X-A:v"], [b"x-a: v"]),
    "blanks round the value": ([b"X-A:  \t v \t "], [b"x-a: v"]),
    "an empty value": ([b"X-A:", b"X-B: 1"], [b"x-a: ", b"x-b: 1"]),
    "duplicates in their order": (
        [b"X-A: 2", b"X-B: 1", b"x-a: 1", b"X-A:"],
        [b"x-a: 2", b"x-b: 1", b"x-a: 1", b"x-a: "],
    ),
    "15 KB of a value": ([b"X-A: " + b"v" * 15_000], [b"x-a: " + b"v" * 15_000]),
    "what looks like a template": ([b"X-A: ${a} {{b}} %(c)s %REQ(d)% {0}"], [b"x-a: ${a} {{b}} %(c)s %REQ(d)% {0}"]),
    "ranges and conditions": (
        [b"Range: bytes=0-1, -5", b'If-Match: W/"a", *'],
        [b"range: bytes=0-1, -5", b'if-match: W/"a", *'],
    ),
    "who else may set a path": (
        [b"X-Original-URL: /admin", b"X-HTTP-Method-Override: TRACE"],
        [b"x-original-url: /admin", b"x-http-method-override: TRACE"],
    ),
    "98 of them": ([b"X-%d: 1" % each for each in range(98)], [b"x-%d: 1" % each for each in range(98)]),
    "credentials of the client": ([name + b": theirs" for name in _CHANNELS * 2], []),
    "claims of who the client is": ([name + b": 192.0.2.1" for name in _CLAIMS], []),
    "the injected one, nominated": ([b"Connection: keep-alive, Authorization", b"Authorization: a"], []),
    "what is nominated, in any case and place": (
        [b"X-A: 1", b"Connection: ,\tX-a ,", b"x-b: 2", b"connection: X-B"],
        [],
    ),
    "a thousand that are nominated": (
        [b"Connection: " + b",".join(b"x-%d" % each for each in range(1000)), b"X-7: 1"],
        [],
    ),
    "the length, nominated": ([b"Connection: content-length", b"Content-Length: 0"], [b"content-length: 0"]),
    "what is for one connection": ([b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: gzip"], []),
    "an upgrade that nothing nominates": ([b"Upgrade: websocket"], []),
    "an offer of h2c": ([b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA"], []),
}

_BEHIND = b"GET /v1/behind HTTP/1.1\r\nHost: h\r\n\r\n"

# Bodies: the framing and what follows the head, what the provider gets.
_CHUNKED = b"Transfer-Encoding: chunked"
BODIES: dict[str, tuple[list[bytes], bytes, bytes]] = {
    "a length": ([b"Content-Length: 5"], b"hello", b"hello"),
    "a length with blanks round it": ([b"Content-Length: \t5 \t"], b"hello", b"hello"),
    "every byte": ([b"Content-Length: 256"], bytes(range(256)), bytes(range(256))),
    "chunks": ([_CHUNKED], b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    "the coding in capitals": ([b"TRANSFER-ENCODING: CHUNKED"], b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "zeros before a size": ([_CHUNKED], b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    "hexadecimal digits in both cases": (
        [_CHUNKED],
        b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"0123456789" * 2,
    ),
    "extensions": ([_CHUNKED], b'5;a;b="c;d"\r\nhello\r\n0;e\r\n\r\n', b"hello"),
    "a thousand chunks of a byte": ([_CHUNKED], b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n", b"x" * 1000),
    "what looks like the end of chunks": ([_CHUNKED], b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
    "what looks like a request": ([_CHUNKED], b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BEHIND), _BEHIND), _BEHIND),
    "an expectation that is met at once": ([b"Expect: 100-continue", b"Content-Length: 5"], b"hello", b"hello"),
    "nothing, in chunks": ([_CHUNKED], b"0\r\n\r\n", b""),
    "nothing, without a word of it": ([], b"", b""),
}

_POST = b"POST /v1/x HTTP/1.1"
_LENGTHS = (
    *(b"+5", b"-5", b"-0", b"0x5", b"5.0", b"5e0", b"five", b"5a", b"", b"5 5", b"5,5", b"5, 5", b"5,", b"5;", b'"5"'),
    *(b"5_0", b"5\x0b", b"5\x00", b"\xb2", "٥".encode(), b"18446744073709551621", b"9" * 30, b"[5]", b"5\r", b"\xa05"),
)
_CODINGS = (
    *(b"gzip", b"identity", b"xchunked", b"chunkedx", b"gzip, chunked", b"chunked, chunked", b"chunked, identity"),
    *(b"identity, chunked", b"chunked;q=1", b'"chunked"', b"\x0bchunked", b"chunked\x0c", b"chunked\x00", b"", b","),
    *(b"chun ked", b"chunked\xa0", b": chunked", b"[chunked]", b"chunked=", b"chunked\r", "chun\u212aed".encode()),
)
_BAD_CHUNKS = (
    *(
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5g\r\nhello\r\n",
        b"\r\nhello\r\n",
    ),
    *(
        b";a\r\nhello\r\n",
        b"10000000000000005\r\nhello\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhell\r\n0\r\n\r\n",
        b"5\r\nhello\n",
    ),
    *(
        b"5\rhello\r\n",
        b"5\r\r\nhello\r\n",
        b"5\x00\r\nhello\r\n",
        b"1_0\r\nhello\r\n",
        b"5.0\r\nhello\r\n",
        b"5,5\r\nhello\r\n",
    ),
    *(b"5;a\rb\r\nhello\r\n", b"5;a\x00\r\nhello\r\n", b"5\nhello\r\n", b"\xef\xbc\x95\r\nhello\r\n"),
)


def _framed(*fields: bytes, body: bytes = b"hello" + _BEHIND, statuses: tuple[int, ...] = (400,)) -> Refused:
    return Refused(requesting(*fields, line=_POST, body=body), statuses, ends=True)


# Targets that are told apart by ``run`` alone: ASGI knows no mark without a query.
TARGETS_OF_RUN = {
    "a mark without a query": (b"/v1/x?", b"/x?"),
    "a mark behind the prefix": (b"/v1?", b"?"),
    "a mark behind slashes": (b"/v1//x//?", b"/x/?"),
    "a mark in a URL": (b"http://h/v1?", b"?"),
}

# Requests whose end is anybody's guess: nobody behind the gateway sees them, or anything behind them.
MISFRAMED = {
    **{f"a length of {each!r}": _framed(b"Content-Length: " + each) for each in _LENGTHS},
    **{
        f"a coding of {each!r}": _framed(
            b"Transfer-Encoding: " + each, body=b"0\r\n\r\n" + _BEHIND, statuses=(400, 501)
        )
        for each in _CODINGS
    },
    **{f"a chunk of {each!r}": _framed(_CHUNKED, body=each + b"0\r\n\r\n" + _BEHIND) for each in _BAD_CHUNKS},
    "two lengths that are equal": _framed(b"Content-Length: 5", b"X-A: 1", b"content-LENGTH: 5"),
    "two lengths, one empty": _framed(b"Content-Length:", b"Content-Length: 5"),
    "a length, then a coding": _framed(b"Content-Length: 6", _CHUNKED, body=b"0\r\n\r\nG" + _BEHIND),
    "a coding, then a length": _framed(_CHUNKED, b"Content-Length: 4", body=b"5c\r\n" + _BEHIND),
    "both, one nominated": _framed(b"Connection: content-length", _CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    "two codings on two lines": _framed(
        _CHUNKED, b"Transfer-Encoding: x", body=b"0\r\n\r\n" + _BEHIND, statuses=(400, 501)
    ),
    "chunked on two lines": _framed(_CHUNKED, _CHUNKED, body=b"0\r\n\r\n" + _BEHIND, statuses=(400, 501)),
    "a blank before a colon": _framed(b"Content-Length : 5"),
    "a coding behind a bare CR": _framed(b"X-A: 1\rTransfer-Encoding: chunked", body=b"0\r\n\r\n" + _BEHIND),
    "a coding behind a bare LF": _framed(b"X-A: 1\nTransfer-Encoding: chunked", body=b"0\r\n\r\n" + _BEHIND),
    "a coding with NUL in its name": _framed(b"Transfer-Encoding\x00: chunked", body=b"0\r\n\r\n" + _BEHIND),
    "a length before any name": _framed(b" Content-Length: 5"),
}

_HOSTS = (
    *(
        b"u@h",
        b"u:p@h",
        b"@h",
        b"h, g",
        b"h g",
        b"h/v1",
        b"h\\g",
        b"h?a",
        b"h#a",
        b"http://h",
        b"h:a",
        b"h:-1",
        b"h:+80",
    ),
    *(
        b"h:99999",
        b"h:80:81",
        b"[::1",
        b"::1",
        b"[::1]x",
        b"[]",
        b"<h>",
        b'"h"',
        b"h\x00",
        b"h\x7f",
        b"h\tg",
        b":80",
        b":",
    ),
    *(b"{h}", b"h|g", "hé".encode(), b"[:::1]", b"[1.2.3.4]", b"h" * 256),
)
_NAMES = (
    *(
        b"x_a",
        b"_x",
        b"Author_ization",
        b"x a",
        b"x-a ",
        b"x-a\t",
        b"",
        b"x(a",
        b"x@a",
        b"x/a",
        b"x\\a",
        b'x"a',
        b"x{a",
    ),
    *(b"x[a", b"x,a", b"x;a", b"x=a", b"x?a", b"x<a", b"x\x00a", b"x\x07a", b"x\x7fa", b"x\xe9a", b"x\ra", b":path"),
)
_CONTROLS = [bytes((each,)) for each in (*range(9), 11, 12, 14, 27, 31, 127)]
_VERSIONS = (b"1.2", b"3.0", b"11.1", b"1.", b"1", b"1.1x", b"01.1", b"1.01", b"1,1", b" 1.1", b"A.B", b"-1.1")
_LINES = (
    *(b"GET\t/v1/x HTTP/1.1", b"GET /v1/x\tHTTP/1.1", b" GET /v1/x HTTP/1.1", b"GET /v1/x HTTP/1.1 x", b"GET /v1/x "),
    *(b"GET", b"GE/T /v1/x HTTP/1.1", b"GE(T /v1/x HTTP/1.1", b"get /v1/x HTTP/1.1", b"FOO /v1/x HTTP/1.1"),
    *(b"GET /v1/x\x00 HTTP/1.1", b"GET /v1/\xe9 HTTP/1.1", b"GET /v1/a b HTTP/1.1", b"GET /v1/x?\x7f HTTP/1.1"),
    *(b"GET /v1/x http/1.1", b"GET /v1/x RTSP/1.0", b"GET /v1/x HTTPS/1.1", b"GET v1/x HTTP/1.1", b"GET ?x HTTP/1.1"),
)

# Requests that are understood, or never could be, and are not served.
REFUSED = {
    **{f"a Host of {each!r}": Refused(requesting(host=b"Host: " + each)) for each in _HOSTS},
    **{f"a field named {each!r}": Refused(requesting(b"Accept: */*", each + b": v")) for each in _NAMES},
    **{f"a value with {each!r}": Refused(requesting(b"X-A: a" + each + b"b")) for each in _CONTROLS},
    **{f"version {each!r}": Refused(requesting(line=b"GET /v1/x HTTP/" + each), (400, 426, 505)) for each in _VERSIONS},
    **{f"the line {each!r}": Refused(requesting(line=each), (400, 404, 426)) for each in _LINES},
    "no Host": Refused(requesting(host=b"")),
    "two Hosts, far from each other": Refused(requesting(b"Accept: */*", b"X-A: 1", b"hOST: g")),
    "two Hosts, one empty": Refused(requesting(b"Host:")),
    "a Host behind a bare CR": Refused(requesting(host=b"Host: h\rHost: g")),
    "a Host in a fold": Refused(requesting(b" g")),
    "HTTP/1.0": Refused(requesting(line=b"GET /v1/x HTTP/1.0"), (426,)),
    "HTTP/2.0 in a line": Refused(requesting(line=b"GET /v1/x HTTP/2.0"), (426, 505)),
    "HTTP/0.9": Refused(b"GET /v1/x\r\n\r\n", (400, 426, 505)),
    "TRACE": Refused(requesting(line=b"TRACE /v1/x HTTP/1.1"), (405,)),
    "TRACK": Refused(requesting(line=b"TRACK /v1/x HTTP/1.1"), (400, 405)),
    "CONNECT": Refused(requesting(line=b"CONNECT provider.test:443 HTTP/1.1"), (400, 404)),
    "OPTIONS of a server": Refused(requesting(line=b"OPTIONS * HTTP/1.1"), (400, 404)),
    "a URL of another host, below no route": Refused(requesting(line=b"GET http://192.0.2.1/latest/ HTTP/1.1"), (404,)),
    "an encoded slash in a URL": Refused(requesting(line=b"GET http://h/v1%2f..%2fadmin HTTP/1.1")),
    "no colon": Refused(requesting(b"Accept: */*", b"nonsense")),
    "a blank before the first name": Refused(requesting(host=b" X-A: 1\r\nHost: h")),
    "a folded value": Refused(requesting(b"X-A: 1", b" X-Forwarded-For: 192.0.2.1")),
    "bare line feeds": Refused(requesting().replace(b"\r\n", b"\n")),
    "a line end and a half": Refused(requesting(b"X-A: 1\r")),
    "an answer": Refused(b"HTTP/1.1 200 OK\r\n\r\n"),
    "TLS": Refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "SSH": Refused(b"SSH-2.0-client\r\n\r\n"),
    "a line of the PROXY protocol": Refused(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + requesting()),
    "an upgrade to another protocol": Refused(requesting(b"Connection: upgrade", b"Upgrade: foo"), (403,)),
    "an upgrade to one of two": Refused(requesting(b"Connection: upgrade", b"Upgrade: h2c", b"Upgrade: foo"), (403,)),
}

# The same, where it takes a parser of our own.
REFUSED_BY_RUN = {
    "a fragment": Refused(requesting(line=b"GET /v1/x#a HTTP/1.1")),
    "a fragment in a URL": Refused(requesting(line=b"GET http://h/v1/x#a HTTP/1.1")),
    "a URL with a user": Refused(requesting(line=b"GET http://u:p@h/v1/x HTTP/1.1")),
    "a URL without Host": Refused(requesting(line=b"GET http://h/v1/x HTTP/1.1", host=b"")),
    "a URL beside a Host that is none": Refused(requesting(line=b"GET http://h/v1/x HTTP/1.1", host=b"Host: u@h")),
    "a URL of a bad port": Refused(requesting(line=b"GET http://h:8a/v1/x HTTP/1.1")),
    **{
        f"a URL of {each!r}": Refused(requesting(line=b"GET " + each + b"://h/v1/x HTTP/1.1"))
        for each in (b"https", b"ftp", b"file", b"ws", b"gopher", b"javascript")
    },
    "a target of 17 KB": Refused(requesting(line=b"GET /v1/" + b"a" * 17_000 + b" HTTP/1.1"), (414,)),
    "101 fields": Refused(requesting(*[b"X-A: 1"] * 100), (431,), ends=True),
    "66 KB of fields": Refused(requesting(*[b"X-A: " + b"v" * 6600] * 10), (431,), ends=True),
    "another expectation": Refused(requesting(b"Expect: 200-ok"), (417,)),
}


def answer(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK", body: bytes = b"hello", length: bool = True) -> bytes:
    """An answer: a first line, fields, a length unless told otherwise, and a body."""
    framing = [b"Content-Length: %d" % len(body)] if length else []
    return b"\r\n".join([line, *fields, *framing, b"", body])


def _odd(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> Answered:
    return Answered(answer(*fields, line=line), "withheld")


def _framed_as(field: bytes, body: bytes = b"5\r\nhello\r\n0\r\n\r\n") -> Answered:
    return Answered(answer(field, body=body, length=False), "withheld", leaves=True)


def _cut(body: bytes) -> Answered:
    return Answered(answer(_CHUNKED, body=body, length=False), "cut", leaves=True)


_POISON = answer(body=b"poison")
_INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
ANSWERS = {
    "plain": Answered(answer()),
    "in chunks with extensions and trailers": Answered(
        answer(_CHUNKED, length=False, body=b"5;a=b\r\nhello\r\n0;c\r\nX-T: 1\r\n\r\n")
    ),
    "up to the end of the connection": Answered(answer(length=False), leaves=True),
    "of HTTP/1.0": Answered(answer(line=b"HTTP/1.0 200 OK", length=False), leaves=True),
    "without a reason": Answered(answer(line=b"HTTP/1.1 200 ")),
    "of a status that nobody knows": Answered(answer(line=b"HTTP/1.1 599 Odd"), status=599),
    "behind interim ones": Answered(_INTERIM * 10 + answer()),
    "behind an interim one that closes": Answered(_INTERIM.replace(b"Link: a", b"Connection: close") + answer()),
    "with another one behind it": Answered(answer() + _POISON),
    "with bytes behind it": Answered(answer() + b"XXXX"),
    "with a line end behind it": Answered(answer() + b"\r\n"),
    "in chunks, with another one behind it": Answered(
        answer(_CHUNKED, length=False, body=b"5\r\nhello\r\n0\r\n\r\n" + _POISON)
    ),
    "204 with a body": Answered(answer(line=b"HTTP/1.1 204 No"), status=204, body=b""),
    "304 with another answer for a body": Answered(
        answer(line=b"HTTP/1.1 304 Not", body=_POISON), status=304, body=b""
    ),
    "a redirect, which is not followed": Answered(
        answer(b"Location: http://127.0.0.1:1/", line=b"HTTP/1.1 307 T"), status=307
    ),
    "95 fields and a length": Answered(answer(*[b"X-A: 1"] * 95)),
    "100 fields and a length": _odd(*[b"X-A: 1"] * 100),
    **{
        f"the line {each!r}": _odd(line=each)
        for each in (
            *(b"HTTP/1.1 600 X", b"HTTP/1.1 099 X", b"HTTP/1.1 20 X", b"HTTP/1.1 2000 X", b"HTTP/1.1 abc X"),
            *(b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"ICY 200 OK", b"http/1.1 200 OK", b"HTTP/1.1\t200 OK"),
            *(b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 O\x07K", b"hello", b"GET / HTTP/1.1"),
        )
    },
    **{
        f"the field {each!r}": _odd(b"X-0: 0", each)
        for each in (
            *(
                b"X A: 1",
                b"X-A : 1",
                b": 1",
                b"nonsense",
                b"X-A: a\x00b",
                b"X-A: a\rb",
                b"X-A: a\x1b[31m",
                b"X-A: \x7f",
            ),
            *(b"x(a: 1", b"x\xe9: 1", b" folded"),
        )
    },
    **{
        f"a length of {each!r}": Answered(answer(b"Content-Length: " + each, length=False), "withheld", leaves=True)
        for each in (b"+5", b"-5", b"0x5", b"5x", b"", b"5 5", b"5, 6", b"9" * 30, b"5.0", b"5\x00")
    },
    **{
        f"a coding of {each!r}": _framed_as(b"Transfer-Encoding: " + each)
        for each in (b"gzip", b"gzip, chunked", b"identity", b"chunked, chunked", b"xchunked", b"", b"chunked;a=b")
    },
    "a length and a coding": Answered(answer(_CHUNKED), "withheld"),
    "two lengths": Answered(answer(b"Content-Length: 6"), "withheld"),
    "101 that nobody asked for": Answered(
        b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello", "withheld"
    ),
    "101, and then an answer": Answered(b"HTTP/1.1 101 S\r\n\r\n" + answer(), "withheld"),
    "interim ones without end": Answered(_INTERIM * 3000, "withheld"),
    "a head of 70 KB": _odd(*[b"X-A: " + b"v" * 7000] * 10),
    **{
        f"a chunk of {each!r}": _cut(b"5\r\nhello\r\n" + each + b"0\r\n\r\n")
        for each in (
            b"zz\r\nx\r\n",
            b"-1\r\nx\r\n",
            b"0x1\r\nx\r\n",
            b"1\r\nxX\r\n",
            b"\r\nx\r\n",
            b"F" * 17 + b"\r\nx\r\n",
        )
    },
    "shorter than its length": Answered(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "cut", leaves=True),
    "chunks without the last": _cut(b"5\r\nhello\r\n"),
    "chunks without the last line": _cut(b"5\r\nhello\r\n0\r\n"),
    "half a chunk": _cut(b"9\r\nhello"),
}

# The injected credential stands where KEY is; none of it may come back.
ECHOES = {
    "in a header": answer(b"X-A: you sent 'KEY'"),
    "in the second of two": answer(b"X-A: 1", b"X-A: KEY"),
    "in a redirect": answer(b"Location: https://elsewhere.test/?t=KEY", line=b"HTTP/1.1 302 Found"),
    "in a cookie": answer(b"Set-Cookie: k=KEY; Path=/"),
    "behind bytes beyond ASCII": answer(b"X-A: \xff\xfeKEY"),
    "as a header's name": answer(b"KEY: 1"),
    "in 304": answer(b"ETag: KEY", line=b"HTTP/1.1 304 X", body=b"", length=False),
    "in the body of a refusal": answer(line=b"HTTP/1.1 401 X", body=b'{"error": {"message": "Incorrect key: KEY"}}'),
    "in a reason": answer(line=b"HTTP/1.1 200 KEY"),
    "in a trailer": answer(_CHUNKED, length=False, body=b"5\r\nhello\r\n0\r\nX-T: KEY\r\n\r\n"),
}
