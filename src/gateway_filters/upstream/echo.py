"""Answers that carry a credential back: the gateway's own, which no client may see."""

from gateway_filters.errors import CredentialEchoed

_SHORTEST = 8


def withhold_echo(injected: tuple[bytes, ...], headers: list[tuple[bytes, bytes]], body: bytes | None) -> None:
    """Raises ``CredentialEchoed`` where an answer carries a credential, with or without its scheme.

    One of fewer than 8 bytes could stand anywhere by chance and is not looked for.
    """
    for value in injected:
        bare = value.rpartition(b" ")[2]
        if len(bare) < _SHORTEST:
            continue
        if body and bare in body:
            raise CredentialEchoed("the answer carries the injected credential")
        for _, each in headers:
            if bare in each:
                raise CredentialEchoed("the answer carries the injected credential")
