"""Secrets from environment variables."""

import os
from dataclasses import dataclass, field
from typing import NoReturn

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.message.secret import Secret, SecretSource
from gateway_filters.message.text import settle


@dataclass(frozen=True, slots=True)
class EnvSecret(SecretSource):
    """The value of the environment variable ``variable``, with ``scheme`` in front unless it is there.

    A variable that is not set (or empty) may be set later; until then ``current`` raises
    ``SecretUnavailable``. One that holds what no header can carry raises ``ConfigurationError`` at once.
    """

    variable: str
    scheme: str = field(default="", kw_only=True)
    _known: "_Known" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _known=_Known())
        if os.environ.get(self.variable):
            self._read()

    def current(self) -> Secret:
        """The variable's value now; raises ``SecretUnavailable`` when it has none."""
        text = os.environ.get(self.variable)
        if not text:
            raise SecretUnavailable(f"environment variable {self.variable} is not set")
        known = self._known
        if known.text != text or known.secret is None:
            # A traceback may print the variables of its frames.
            del text
            return self._refresh()
        return known.secret

    def _refresh(self) -> Secret:
        try:
            return self._read()
        except ConfigurationError as error:
            raise SecretUnavailable(str(error)) from None

    def _read(self) -> Secret:
        known = self._known
        known.text, known.secret = os.environ.get(self.variable, ""), None
        known.secret = Secret(known.text, scheme=self.scheme, what=f"environment variable {self.variable}")
        return known.secret


class _Known:
    """What was read last, so that an unchanged variable is checked once."""

    __slots__ = ("secret", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        self.secret: Secret | None = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("what an environment variable held is neither pickled nor copied")
