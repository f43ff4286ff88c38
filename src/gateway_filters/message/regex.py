r"""The one door to RE2 (the extra ``gateway-filters[re2]``): regular expressions that take linear time.

Facts
- Manifests bring the patterns, clients what is searched. An engine that backtracks, as Python's ``re`` does,
  can be held up for minutes by one path, so ``re`` never stands in: without RE2 there is no such pattern.
- Patterns are text and read as UTF-8, subjects are raw bytes, as in Envoy; a byte that is no UTF-8 is matched
  by nothing but ``\C``.
- One search is linear, all occurrences are not: each may look as far as the end. So their number is bounded.
- Linear is in the text, times the steps of the pattern's program: of ``.*a.{1000}`` each byte may cost 8000, some 40
  microseconds. So both are bounded: the larger the program, the shorter the longest text; a kilobyte it always takes.
"""

import re
from collections.abc import Iterator
from typing import Protocol, cast

from gateway_filters.errors import BadRequest, ClientError, ConfigurationError, PathTooLong

_LONGEST = 8 * 1024
_MOST_OCCURRENCES = 1000
_MOST_STEPS = 1024 * 1024  # for one text; ten milliseconds at most
_ALWAYS = 1024  # bytes that every pattern takes
_LARGEST = 4 * 1024  # steps of a program: 450 times any character
# RE2's rewrite syntax: a backslash with what follows it, or text up to the next one.
_PIECE = re.compile(rb"\\(.?)|[^\\]+", re.DOTALL)


class Found(Protocol):
    """An occurrence of a pattern."""

    def start(self) -> int:
        """Where it begins."""
        ...

    def end(self) -> int:
        """Where it ends."""
        ...

    def group(self, number: int, /) -> bytes | None:
        """What a group took; 0 is the whole occurrence, None a group that took no part."""
        ...


class _Compiled(Protocol):
    """What we use of a pattern that RE2 has compiled."""

    @property
    def pattern(self) -> bytes: ...

    @property
    def groups(self) -> int: ...

    @property
    def programsize(self) -> int: ...

    def fullmatch(self, text: bytes, /) -> Found | None: ...

    def finditer(self, text: bytes, /) -> Iterator[Found]: ...


class Pattern:
    """A compiled pattern, which takes texts of ``longest`` bytes; for longer ones it raises ``too_long``.

    ``pattern``: what was compiled; ``groups``: how many it has.
    """

    __slots__ = ("_compiled", "_too_long", "groups", "longest", "pattern")

    def __init__(self, compiled: _Compiled, too_long: type[ClientError]) -> None:
        self.pattern = compiled.pattern
        self.groups = compiled.groups
        self.longest = max(_ALWAYS, _MOST_STEPS // compiled.programsize)
        self._compiled = compiled
        self._too_long = too_long

    def fullmatch(self, text: bytes) -> Found | None:
        """The occurrence that is all of ``text``, or None."""
        if len(text) > self.longest:
            raise self._refusal(text)
        return self._compiled.fullmatch(text)

    def finditer(self, text: bytes) -> Iterator[Found]:
        """All occurrences, first to last, none overlapping."""
        if len(text) > self.longest:
            raise self._refusal(text)
        return self._compiled.finditer(text)

    def _refusal(self, text: bytes) -> ClientError:
        return self._too_long(f"a text of {len(text)} bytes is too long for a regular expression that is so large")


class Compiling(Protocol):
    """How RE2 compiles."""

    log_errors: bool
    never_capture: bool
    max_mem: int


class PatternSet(Protocol):
    """Several patterns that RE2 asks at once; the names are RE2's."""

    def Add(self, pattern: bytes, /) -> int:  # noqa: N802
        """Add one; gives its place."""
        ...

    def Compile(self) -> None:  # noqa: N802
        """Be done with adding."""
        ...

    def Match(self, text: bytes, /) -> list[int]:  # noqa: N802
        """The places of those that match, in any order."""
        ...


class _PatternSets(Protocol):
    def FullMatchSet(self, options: Compiling, /) -> PatternSet: ...  # noqa: N802 - RE2's name


class Engine(Protocol):
    """What we use of RE2."""

    error: type[Exception]
    Set: _PatternSets

    def Options(self) -> Compiling:  # noqa: N802 - RE2's name
        """The usual ones."""
        ...

    def compile(self, pattern: bytes, options: Compiling, /) -> _Compiled:
        """A pattern; raises ``error``."""
        ...


class Replacement:
    r"""What becomes of all occurrences of ``pattern`` in a subject.

    ``substitution`` is text in RE2's rewrite syntax: ``\1`` to ``\9`` are groups, ``\0`` the occurrence, ``\\``
    a backslash. Raises ``ConfigurationError`` as ``compile_re2`` does, and for a substitution that names a
    group that the pattern does not have.
    """

    __slots__ = ("_pattern", "_pieces")

    def __init__(self, pattern: str, substitution: str, what: str) -> None:
        self._pattern = compile_re2(pattern, what, captures=True)
        raw = _bounded(substitution, f"substitution of {what}")
        self._pieces = tuple(_piece(each, self._pattern.groups, what) for each in _PIECE.finditer(raw))

    def apply(self, subject: bytes) -> bytes | None:
        """The subject with all occurrences replaced, or None when there is none.

        Raises ``BadRequest`` for more than 1000 occurrences.
        """
        parts: list[bytes] = []
        end = -1
        for count, found in enumerate(self._pattern.finditer(subject)):
            if count == _MOST_OCCURRENCES:
                raise BadRequest(f"a pattern occurs more than {_MOST_OCCURRENCES} times")
            if found.end() == end:
                continue  # nothing, right after an occurrence, is not another one (RE2, GlobalReplace)
            parts += (subject[max(end, 0) : found.start()], self._expanded(found))
            end = found.end()
        return b"".join((*parts, subject[end:])) if parts else None

    def _expanded(self, found: Found) -> bytes:
        return b"".join(piece if isinstance(piece, bytes) else found.group(piece) or b"" for piece in self._pieces)


def compile_re2(
    pattern: str, what: str, *, captures: bool = False, too_long: type[ClientError] = PathTooLong
) -> Pattern:
    """``pattern``, which ``what`` names, compiled by RE2; without ``captures`` its groups take nothing, faster.

    Texts that would keep it busy for too long raise ``too_long``. Raises ``ConfigurationError`` when RE2 is not
    installed, and for a pattern that RE2 refuses, that is longer than 8 KiB or has a program of more than 4096 steps.
    """
    raw = _bounded(pattern, what)
    re2 = engine(what)
    options = re2.Options()
    options.log_errors = False  # RE2 would write to standard error by itself
    options.never_capture = not captures
    try:
        compiled = re2.compile(raw, options)
    except re2.error as error:
        defect = error.args[0].decode("utf-8", "replace")
        raise ConfigurationError(f"{what} {pattern!r} is not a regular expression of RE2: {defect}") from error
    if compiled.programsize > _LARGEST:
        size = f"{compiled.programsize} steps for each byte, of {_LARGEST} at most"
        raise ConfigurationError(f"{what} {pattern!r} is too large a regular expression: {size}")
    return Pattern(compiled, too_long)


def engine(what: str) -> Engine:
    """RE2; raises ``ConfigurationError`` for ``what`` when it is not installed."""
    try:
        import re2  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - an optional extra without types
    except ImportError as error:
        raise ConfigurationError(f"{what} is a regular expression and needs the extra gateway-filters[re2]") from error
    return cast("Engine", re2)


def _bounded(text: str, what: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > _LONGEST:
        raise ConfigurationError(f"{what} is longer than {_LONGEST} bytes")
    return raw


def _piece(found: re.Match[bytes], groups: int, what: str) -> bytes | int:
    escaped = found[1]
    if escaped is None:
        return found[0]
    if escaped == b"\\":
        return escaped
    if not escaped.isdigit():
        raise ConfigurationError(f"substitution of {what} has a backslash before neither a digit nor another one")
    if int(escaped) > groups:
        raise ConfigurationError(f"substitution of {what} names group {int(escaped)}, of {groups}")
    return int(escaped)
