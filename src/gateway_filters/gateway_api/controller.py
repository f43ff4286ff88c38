"""What a controller does: it reads objects, says what they mean, and remembers what it said."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.credential_status import CredentialStatus
from gateway_filters.gateway_api.exposure import exposures
from gateway_filters.gateway_api.history import History
from gateway_filters.gateway_api.load import Translation, Translator
from gateway_filters.gateway_api.loader import Loader
from gateway_filters.gateway_api.objects import Objects
from gateway_filters.gateway_api.translation import Context
from gateway_filters.routing import Socket
from gateway_filters.secrets import SecretStore


class Controller:
    """Translates the manifests in ``paths`` again and again.

    ``secrets`` has the Secrets that are not among them, ``host`` is the address of Gateways that name none,
    ``dynamic_hosts`` are what a Backend of type DynamicResolver may reach, ``forwarded`` the only headers of
    clients that go along with an injected credential. Credentials that are injected for clients
    of whom nothing is known, and who need not be on this machine, are refused unless ``allow_unauthenticated``; then
    each is a problem. ``needs_secrets``: nothing is translated for the first time without all credentials.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        secrets: SecretStore | None = None,
        host: str = "127.0.0.1",
        dynamic_hosts: Sequence[str] = (),
        forwarded: Sequence[str] | None = None,
        allow_unauthenticated: bool = False,
        needs_secrets: bool = False,
    ) -> None:
        self._secrets = secrets
        self._host = host
        self._dynamic_hosts = tuple(dynamic_hosts)
        self._forwarded = None if forwarded is None else tuple(forwarded)
        self._allow_unauthenticated = allow_unauthenticated
        self._needs_secrets = needs_secrets
        self._loader = Loader(paths)
        self._history = History()
        self._translator = Translator()
        self._known: tuple[Objects, Mapping[Socket, str]] | None = None

    def look(self, taken: Mapping[Socket, str]) -> Translation | None:
        """What the files mean now; None while they say what they said.

        ``taken`` are sockets that cannot be had, and why. Raises ``ManifestError``; what was said before stays said.
        """
        objects = self._loader.load()
        if self._known is not None and objects is self._known[0] and taken == self._known[1]:
            return None
        generations = self._history.generations(objects)
        context = Context(
            objects, self._secrets, self._host, self._dynamic_hosts, generations, taken, forwarded=self._forwarded
        )
        translation = self._admitted(self._translator.translate(context))
        self._history.keep_times(translation.statuses)
        self._known = (objects, taken)
        return translation

    def forget(self) -> None:
        """Read all files when looked at next; what they say counts, as ever, only where it is something else."""
        self._loader.forget()

    def _admitted(self, translation: Translation) -> Translation:
        if self._needs_secrets and self._known is None:
            _check_credentials(translation)
        found = list(exposures(translation))
        if found and not self._allow_unauthenticated:
            raise ManifestError(f"{_first(found)}; --allow-unauthenticated serves it all the same")
        return replace(translation, problems=(*translation.problems, *found))


def _check_credentials(translation: Translation) -> None:
    credentials = CredentialStatus(translation.listeners)
    credentials.look()
    missing = list(credentials.missing())
    if missing:
        raise ManifestError(_first(missing))


def _first(found: Sequence[object]) -> str:
    """The first of several, and how many there are besides."""
    return f"{found[0]} (and {len(found) - 1} more like it)" if len(found) > 1 else str(found[0])
