"""Secrets that are known already: a value given in code or read from a Secret manifest, and the missing one."""

from dataclasses import dataclass

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.message.secret import Secret, SecretSource


class MemorySecret(SecretSource):
    """A source that always gives the same secret.

    Takes the value as text or bytes, or a ``Secret``; ``scheme`` is put in front unless it is there.
    Raises ``ConfigurationError`` for a value that no header can carry, naming ``what``.
    """

    __slots__ = ("_secret",)

    def __init__(self, value: str | bytes | Secret, *, scheme: str = "", what: str = "the secret") -> None:
        try:
            self._secret = value if isinstance(value, Secret) else Secret(value, scheme=scheme, what=what)
        except ConfigurationError:
            # A traceback may print the variables of its frames.
            del self, value
            raise

    def current(self) -> Secret:
        """The secret."""
        return self._secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemorySecret) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __repr__(self) -> str:
        return f"MemorySecret({self._secret!r})"


@dataclass(frozen=True, slots=True)
class MissingSecret(SecretSource):
    """A source that has nothing: ``reference`` is a sentence saying what is missing."""

    reference: str

    def current(self) -> Secret:
        """Raises ``SecretUnavailable``, always."""
        raise SecretUnavailable(self.reference)
