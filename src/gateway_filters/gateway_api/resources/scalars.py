"""The short strings and numbers that Gateway API fields are made of, with the CRDs' bounds.

Patterns are searched, not matched, and `$` is the end of the text only, in RE2 as in the engine used here.
"""

import re
from typing import Annotated

from pydantic import Field, StringConstraints

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
QUALIFIED_NAME = rf"^({SUBDOMAIN}/)?([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]$"

Group = Annotated[str, StringConstraints(max_length=253, pattern=rf"^$|^{SUBDOMAIN}$")]
KindName = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")
]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Subdomain = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=f"^{SUBDOMAIN}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=f"^{LABEL}$")]

Namespace = Label
SectionName = Subdomain
PreciseHostname = Subdomain
Hostname = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=rf"^(\*\.)?{SUBDOMAIN}$")]

Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]

HeaderName = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$")
]
HeaderValue = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[!-~]+([\t ]?[!-~]+)*$")]

PATH_CHARACTERS = "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$"

WellKnownCACertificates = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        pattern=rf"^(System|({SUBDOMAIN}/([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]))$",
    ),
]

OptionValue = Annotated[str, StringConstraints(max_length=4096)]
Options = Annotated[dict[str, OptionValue], Field(max_length=16)]

Duration = Annotated[str, StringConstraints(pattern="^([0-9]{1,5}(h|m|s|ms)){1,4}$")]
"""A Gateway API duration (GEP-2257), as written."""

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def seconds(duration: str | None) -> float | None:
    """Seconds of a `Duration`; None for none and for zero, which switches a limit off."""
    return (milliseconds(duration) / 1000 or None) if duration is not None else None


def milliseconds(duration: str) -> int:
    """How long a `Duration` is; exact, for the grammar knows no fractions."""
    parts = re.findall("([0-9]+)(ms|s|m|h)", duration)
    return sum(int(count) * _MILLISECONDS[unit] for count, unit in parts)
