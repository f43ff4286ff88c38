"""Tells how what is served stands: in a file with its objects, and on a page that says whether it is ready.

Credentials are looked at once a second for both, since a mounted Secret changes without any manifest.
"""

import asyncio
import logging
from contextlib import suppress

from gateway_filters.gateway_api.credential_status import CredentialStatus, Remembered, SourceStates
from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.status_file import StatusFile
from gateway_filters.http1.limits import Limits
from gateway_filters.http2 import Http2Limits
from gateway_filters.readiness import Readiness, ReadinessPage, Trouble
from gateway_filters.routing import Socket
from gateway_filters.sockets import Door, ServerLimits, bind, open_door

_log = logging.getLogger("gateway_filters.run")

_LOOK_SECONDS = 1.0
# Whoever asks has nothing to send and does not take long; one who does not go must not keep others from asking.
_LIMITS = ServerLimits(
    Limits(head_bytes=8192, line_bytes=1024, body_bytes=1024, keep_alive=10, connections=1000, connections_of_peer=50),
    Http2Limits(streams=10, body_bytes=1024, idle_seconds=10),
)


class Reporter:
    """Writes the status into ``status`` and answers at ``place`` (address and port), where they are given."""

    def __init__(
        self, status: StatusFile | None = None, place: Socket | None = None, readiness: Readiness | None = None
    ) -> None:
        self.readiness = readiness or Readiness()
        self._status = status
        self._place = place
        self._door: Door | None = None
        self._news = asyncio.Event()
        self._translation: Translation | None = None
        self._serving = False
        self._remembered = Remembered()
        self._of: Translation | None = None
        self._credentials = CredentialStatus(())
        self._states: SourceStates = ()

    async def open(self) -> None:
        """Answer from now on whether this process is ready; raises ``ConfigurationError`` where it cannot."""
        if self._place is not None:
            page = ReadinessPage(self.readiness)
            self._door = await open_door(bind(self._place), page, None, _LIMITS, drain=1)
            _log.info("readiness at %s/ready", self._door.url)

    async def close(self) -> None:
        """Answer no more."""
        if self._door is not None:
            await self._door.close()

    def loaded(self, translation: Translation, *, serving: bool) -> None:
        """Something else is served now, or nothing; it is told soon."""
        self._translation = translation
        self._serving = serving
        self._news.set()

    async def follow(self) -> None:
        """Tell of what is loaded, and of credentials that stand in another way, as long as somebody wants to know.

        Whatever fails begins again.
        """
        failing = False
        while self._status is not None or self._place is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)
            self._news.clear()
            try:
                await self._look()
            except Exception:  # noqa: BLE001 - whatever it is, revocations to come must not go untold
                if not failing:
                    _log.exception("looking at credentials failed; it begins again")
                self.readiness.note("looking", Trouble("LookFailed"))
                failing = True
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                self.readiness.note("looking")
                failing = False

    async def _look(self) -> None:
        translation, serving = self._translation, self._serving
        if translation is None:
            return
        states, troubles = await asyncio.to_thread(self._found, translation)
        if troubles is None:
            return
        self.readiness.looked(troubles, serving=serving)
        if self._status is not None:
            failure = await asyncio.to_thread(self._status.write, translation, self._credentials)
            if failure:
                _log.error("%s; everything is served on", failure)
        self._of, self._states = translation, states

    def _found(self, translation: Translation) -> tuple[SourceStates, list[Trouble] | None]:
        """How credentials stand, and the troubles with them unless all is as it was told last."""
        if translation is not self._of:
            self._credentials = CredentialStatus(translation.listeners, self._remembered)
        states = self._credentials.look()
        if translation is self._of and states == self._states:
            return states, None
        return states, [Trouble(reason, "HTTPRoute", name) for name, reason in self._credentials.troubles()]
