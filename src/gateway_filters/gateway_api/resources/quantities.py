"""Amounts as Kubernetes writes them."""

import re
from typing import Annotated

from pydantic import Field, PlainValidator

from gateway_filters.gateway_api.resources.part import refusal

Uint32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""A number that is declared as an int64 and bounded to 32 bits without a sign."""

Percent = Annotated[int, Field(ge=0, le=100)]

_SIZE = re.compile("[1-9]+[0-9]*([EPTGMK]i|[EPTGMk])?")


def _size(written: object) -> int | str:
    if isinstance(written, int) and not isinstance(written, bool):
        return written
    if isinstance(written, str) and _SIZE.fullmatch(written):
        return written
    raise refusal("the value must be a whole number, or text such as 32Ki")


Size = Annotated[int | str, PlainValidator(_size)]
"""A number of bytes: a whole number, or text with a suffix."""
