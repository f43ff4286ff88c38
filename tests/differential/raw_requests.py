"""Raw HTTP/1.1 requests, mostly sound with something odd in one or two places: all that a client may put on a wire."""

from typing import Any

from hypothesis import strategies as st

METHODS = (*(b"GET",) * 6, *(b"POST",) * 6, b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT")
ODD_METHODS = (
    b"get",
    b"M-SEARCH",
    b"FOO",
    b"",
    b"GE\tT",
    b"G(T",
    b"GET\x00",
    b"G\xc3\xa9T",
    b"PRI",
    b"\r\nGET",
    b"\nGET",
)
PATHS = (b"/v1/x", b"/v1", b"/v1/", b"/v1/x?q=1", b"/v1beta", b"/", b"/v1/chat/completions?a=%2F&b=../x")
PIECES = (
    *(b"%2f", b"%5C", b"%00", b"%zz", b"%", b"%%34%31", b"%252f", b"%C3%A9", b"%7e", b"%0d%0a", b"%20", b"%23"),
    *(b"/..", b"/.", b"/%2e%2e/v1", b"//", b"\\", b"/..;/v1", b";a=b", b'|{}^`<>"', b"'()*!$&+,:=@[]~"),
    *(b"#part", b"?", b"??a#b", b"\xc3\xa9", b"\x00", b"\x01", b"\x7f", b"\t", b" ", b"  x", b"\x0b"),
)
ODD_TARGETS = (
    *(
        b"http://h/v1/x",
        b"http://h",
        b"HTTP://h/v1",
        b"https://h/v1/x",
        b"http://u@h/v1",
        b"http:///v1",
        b"ftp://h/v1/x",
    ),
    *(b"*", b"h:80", b"v1/x", b"", b"?q", b"/v1/" + b"a" * 17_000, b"//h/v1/x", b"http://h:80/v1/x?q", b"http:/v1"),
)
VERSIONS = (
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.2",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"",
    b"HTTP/01.1",
    b"HTTP/1.10",
    b"HTTP/1",
    b"XTTP/1.1",
)
ENDS = (b"\n", b"\r\r\n", b"\r", b" \r\n", b"\t\r\n", b"\x00\r\n")
HOSTS = (
    *(
        (b"Host: h:8080",),
        (b"host:h",),
        (b"Host: a", b"Host: b"),
        (b"Host: a", b"Host: a"),
        (),
        (b"Host:",),
        (b"Host: u@h",),
    ),
    *(
        (b"Host: a/b",),
        (b"Host: a b",),
        (b"Host: [::1]",),
        (b"Host: a,b",),
        (b"Host: h:x",),
        (b"Host : a",),
        (b"Host: \xe9",),
    ),
)
NAMES = (
    *(
        b"x_t",
        b"X-T ",
        b" X-T",
        b"",
        b"X T",
        b"X(T",
        b"X\x00T",
        b"X\x7fT",
        b"\xc3\xa9",
        b"X-T\t",
        b"X\rT",
        b":x",
        b"X/T",
    ),
    *(b"x-tA1!#$%&'*+.^`|~",),
)
VALUES = (
    *(
        b"",
        b" ",
        b"a\x00b",
        b"a\x01b",
        b"a\x7fb",
        b"\xc3\xa9",
        b"a\tb",
        b"  a  ",
        b"a\r\n b",
        b"a\r\n\tb",
        b"a\n b",
        b"a\rb",
        b"a\x0bb",
    ),
    *(b'"q', b"a,b", b"a: b", b"\xff", b"a" * 9_000),
)
FIELDS = (
    *(
        b"Connection: keep-alive, X-Tn\r\nX-Tn: 1",
        b"Connection: x-t",
        b"Connection: host",
        b"Connection: authorization",
    ),
    *(b"Expect: 100-continue", b"Expect: other", b"TE: trailers", b"Upgrade: h2c", b"Trailer: X-T", b"Keep-Alive: 5"),
    *(b"Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", b"Content-Type: a/b"),
    *(
        b"X-Forwarded-For: 1.2.3.4",
        b"Authorization: Bearer c",
        b"Cookie: a=1",
        b"X-Long: " + b"a" * 70_000,
        b"no colon",
    ),
    *(b"\r\n".join(b"x-t%d: 1" % number for number in range(130)),),
)
LENGTHS = (
    *(
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
        b"Content-Length: 05",
        b"Content-Length: -1",
        b"Content-Length: 0x5",
    ),
    *(b"Content-Length: 5 ", b"Content-Length:  5", b"Content-Length: ", b"Content-Length: 5\r\nContent-Length: 5"),
    *(b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 99999999999999999999", b"Content-Length: 5;q"),
    *(
        b"Content-Length: 5_0",
        b"Content-Length : 5",
        b"Content-Length: 5\r\n 0",
        b"Content_Length: 5",
        b"Content-Length: 4",
    ),
    *(b"Content-Length: \x0b5", b"Content-Length: 5\t", b"Content-Length: 9"),
)
CODINGS = (
    *(b"Transfer-Encoding: Chunked", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked"),
    *(b"Transfer-Encoding: identity", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked;q=1"),
    *(b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding : chunked"),
    *(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding:",
    ),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
    *(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer_Encoding: chunked",
        b'Transfer-Encoding: "chunked"',
    ),
    *(b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: ,chunked", b"transfer-encoding:\tchunked\t"),
)
CHUNKS = (
    *(
        b"005\r\nhello\r\n",
        b"5;a=b\r\nhello\r\n",
        b'5;a="x;\r\nhello\r\n',
        b"5 \r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
    ),
    *(
        b"0x5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhello",
        b"5\r\nhello\n",
        b"5\r\nhelloXX",
        b"a\r\n0123456789\r\n",
        b"A\r\n0123456789\r\n",
    ),
    *(
        b"FFFFFFFFFFFFFFFFF\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"5;" + b"e" * 20_000 + b"\r\nhello\r\n",
        b"g\r\nhello\r\n",
    ),
    *(
        b"5;a\nb\r\nhello\r\n",
        b"5\rhello\r\n",
        b"\r\nhello\r\n",
        b"5,\r\nhello\r\n",
        b"5\t\r\nhello\r\n",
        b"5;\x00\r\nhello\r\n",
    ),
)
TRAILERS = (
    *(
        b"X-T: 1\r\n",
        b"Content-Length: 3\r\n",
        b"Host: evil\r\n",
        b"Authorization: Bearer t\r\n",
        b"X_T: 1\r\n",
        b"bad\r\n",
    ),
    *(
        b"X-T : 1\r\n",
        b"X-T: 1\n",
        b" X-T: 1\r\n",
        b"X-T: a\x00\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"X-L: " + b"a" * 70_000 + b"\r\n",
    ),
)


def _now_and_then(usual: st.SearchStrategy[Any], odd: Any) -> st.SearchStrategy[Any]:
    """One in ten is odd."""
    return st.integers(0, 9).flatmap(lambda number: st.sampled_from(odd) if number == 9 else usual)


def _with_pieces(path: bytes, pieces: list[bytes]) -> bytes:
    return path + b"".join(pieces)


_TARGET: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(PATHS),
    st.sampled_from(PATHS),
    st.builds(_with_pieces, st.sampled_from(PATHS), st.lists(st.sampled_from(PIECES), max_size=2)),
)
_END: st.SearchStrategy[Any] = _now_and_then(st.just(b"\r\n"), ENDS)
_FIELD: st.SearchStrategy[Any] = st.one_of(
    st.just(b"X-T: 1"),
    st.just(b"Accept: */*"),
    st.sampled_from(FIELDS),
    st.sampled_from(NAMES).map(lambda name: name + b": 1"),
    st.sampled_from(VALUES).map(lambda value: b"X-T: " + value),
    st.binary(min_size=1, max_size=3).map(lambda value: b"X-T: a" + value + b"b"),
)


@st.composite
def _chunked(draw: st.DrawFn) -> bytes:
    chunks = draw(st.lists(_now_and_then(st.just(b"5\r\nhello\r\n"), CHUNKS), max_size=2))
    last = draw(_now_and_then(st.just(b"0\r\n"), (b"00\r\n", b"0;a=b\r\n", b"0\n", b"0 \r\n", b"0")))
    return b"".join(chunks) + last + draw(_now_and_then(st.just(b""), TRAILERS)) + draw(_END)


@st.composite
def _framing(draw: st.DrawFn) -> tuple[tuple[bytes, ...], bytes]:
    kind = draw(st.sampled_from(("none", "none", "length", "chunks", "chunks", "length?", "coding?")))
    if kind == "none":
        return (), b""
    if kind == "length":
        return (b"Content-Length: 5",), b"hello"
    if kind == "length?":
        return (draw(st.sampled_from(LENGTHS)),), b"hello"
    coding = b"Transfer-Encoding: chunked" if kind == "chunks" else draw(st.sampled_from(CODINGS))
    return (coding,), draw(_chunked())


@st.composite
def _request(draw: st.DrawFn) -> bytes:
    method = draw(_now_and_then(st.sampled_from(METHODS), ODD_METHODS))
    target = draw(_now_and_then(_TARGET, ODD_TARGETS))
    version = draw(_now_and_then(st.just(b"HTTP/1.1"), VERSIONS))
    lines, body = draw(_framing())
    host = draw(_now_and_then(st.just((b"Host: h",)), HOSTS))
    lines = draw(st.permutations([*host, *lines, *draw(st.lists(_FIELD, max_size=2))]))
    blank = draw(_now_and_then(st.just(b" "), (b"  ", b"\t", b"")))
    start = method + blank + target + (b" " + version if version else b"") + draw(_END)
    return start + b"".join(line + draw(_END) for line in lines) + draw(_END) + body


RAW = st.lists(_request(), min_size=1, max_size=2).map(b"".join)
"""One request, or two on a connection."""
