"""Rolls of clients that follow the Secrets that they are kept in."""

import logging
from collections.abc import Callable, Mapping, Sequence

from gateway_filters.credentials import Roll, RollSource
from gateway_filters.errors import ConfigurationError, KeysUnavailable, SecretUnavailable
from gateway_filters.message.secret import Secret
from gateway_filters.secrets.folder import SecretFolder

_log = logging.getLogger("gateway_filters.secrets")


MakeRoll = Callable[[Mapping[str, bytes], str], Roll]
"""Makes a roll of the values of a Secret, which the text names in messages; raises ``ConfigurationError``."""


def api_keys(values: Mapping[str, bytes], what: str, tell: Callable[[str], object]) -> Roll:
    """The clients that a Secret's keys name, with their API keys (Envoy Gateway, apiKeyAuth.credentialRefs).

    A key that no request can show lets nobody in, and ``tell`` gets a sentence. Raises ``ConfigurationError``,
    naming ``what``, for one that two clients have.
    """
    shown: list[tuple[str, bytes]] = []
    for name, value in values.items():
        try:
            shown.append((name, Secret(value, what=f"the API key of client {name} in {what}").reveal()))
        except ConfigurationError as error:
            tell(f"{error}: nobody comes in with it")
    return _named(lambda: Roll.of_keys(shown), what)


def htpasswd(key: str) -> MakeRoll:
    """Makes rolls of the htpasswd file that Secrets have under ``key``."""

    def users(values: Mapping[str, bytes], what: str) -> Roll:
        if key not in values:
            raise ConfigurationError(f"{what} has no key {key}")
        return _named(lambda: Roll.of_htpasswd(values[key].decode("utf-8", "replace")), f"{key} of {what}")

    return users


class FolderRoll:
    """A source that makes its roll anew when the folder has changed; ``what`` names it in messages.

    Where nothing can be made of the folder any more, the last good roll stays in use and the log says so. Where the
    folder is gone there is none.
    """

    def __init__(self, folder: SecretFolder, make: MakeRoll, what: str) -> None:
        self._folder = folder
        self._make = make
        self._what = what
        self._values: Mapping[str, bytes] | None = None
        self._roll: Roll | None = None

    def current(self) -> Roll:
        """The roll now; raises ``KeysUnavailable`` when there is none."""
        try:
            values = self._folder.current()
        except SecretUnavailable as error:
            self._values, self._roll = None, None
            raise KeysUnavailable(str(error)) from None
        if values is not self._values:
            self._values = values
            self._remade(values)
        if self._roll is None:
            raise KeysUnavailable(f"{self._what} cannot be used")
        return self._roll

    def _remade(self, values: Mapping[str, bytes]) -> None:
        try:
            self._roll = self._make(values, self._what)
        except ConfigurationError as error:
            _log.warning("%s%s", error, "; the last good state stays in use" if self._roll else "")

    def __repr__(self) -> str:
        return f"FolderRoll({self._what})"


class JoinedRoll:
    """Several sources as one; of a client in several the first counts."""

    def __init__(self, sources: Sequence[RollSource]) -> None:
        self._sources = tuple(sources)
        self._rolls: tuple[Roll, ...] = ()
        self._joined = Roll({})

    def current(self) -> Roll:
        """All of them now; raises ``KeysUnavailable`` where one of them has none, or two clients have one key."""
        rolls = tuple(each.current() for each in self._sources)
        if any(one is not other for one, other in zip(rolls, self._rolls or (None,) * len(rolls), strict=True)):
            self._joined, self._rolls = self._join(rolls), rolls
        return self._joined

    def _join(self, rolls: tuple[Roll, ...]) -> Roll:
        try:
            return Roll.joined(rolls)
        except ConfigurationError as error:
            raise KeysUnavailable(str(error)) from None

    def __repr__(self) -> str:
        return f"JoinedRoll({', '.join(map(repr, self._sources))})"


def _named(make: Callable[[], Roll], what: str) -> Roll:
    try:
        return make()
    except ConfigurationError as error:
        raise ConfigurationError(f"{what}: {error}") from None
