"""The requests of a connection, read from their header blocks; those that come again are known.

Facts
- A block means the same as long as the decoder's table is the same: clients that ask for the same thing again send the
  same few bytes. Whatever changes the table makes all of them unknown.
- What is remembered is bounded, is one connection's, and goes with it. A block of few bytes may mean many, so both
  are looked at.
"""

from gateway_filters.http2.decoder import Decoder
from gateway_filters.http2.faults import HeadTooLarge, StreamFault
from gateway_filters.http2.limits import Http2Limits
from gateway_filters.http2.request import Asked, asked
from gateway_filters.http2.static_table import Field

_MOST = 32
_LONGEST = 256
_LARGEST = 4096


class Requests:
    """Every header block of a connection must be given to one of these methods, in the order in which they come.

    Each raises ``ConnectionFault`` for a block that cannot be decoded.
    """

    __slots__ = ("_decoder", "_known")

    def __init__(self, limits: Http2Limits) -> None:
        self._decoder = Decoder(limits)
        self._known: dict[bytes, Asked] = {}

    def asked(self, block: bytes) -> Asked:
        """The request of a head; raises ``StreamFault`` for one that is malformed, ``HeadTooLarge``."""
        known = self._known.get(block)
        if known is not None:
            return known
        changes = self._decoder.changes
        request = asked(self.fields(block))
        if self._decoder.changes == changes and len(self._known) < _MOST and _is_small(block, request):
            self._known[block] = request
        return request

    def fields(self, block: bytes) -> list[Field]:
        """The fields of trailers, or of a head; raises ``StreamFault``, ``HeadTooLarge``."""
        changes = self._decoder.changes
        try:
            return self._decoder.decode(block)
        finally:
            if self._decoder.changes != changes:
                self._known.clear()

    def skip(self, block: bytes) -> None:
        """Nothing is wanted of this one but what the decoder must remember of it."""
        try:
            self.fields(block)
        except (StreamFault, HeadTooLarge):
            return


def _is_small(block: bytes, request: Asked) -> bool:
    if len(block) > _LONGEST:
        return False
    fields = sum([len(name) + len(value) for name, value in request.headers])
    return fields + 2 * len(request.raw_path) + len(request.query) <= _LARGEST
