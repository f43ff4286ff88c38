"""What happens to a request's head, step by step."""

from collections.abc import Iterable, Iterator

from gateway_filters.assembly import Stage, steps
from gateway_filters.errors import GatewayFiltersError, RouteRefused, verdict
from gateway_filters.explanation.redaction import Redaction
from gateway_filters.explanation.values import Answer, Change, Step
from gateway_filters.explanation.words import filter_words, percent
from gateway_filters.filters import CredentialInjection, Filter
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.routing import ExternalAuth, Mirror, Unusable

Walked = tuple[RequestHead, tuple[Step, ...], Answer | None]
"""The head after the last step, the steps, and the answer of the last one where it gives one."""


def walk(head: RequestHead, filters: Iterable[Filter], redaction: Redaction) -> Walked:
    """Run ``filters`` on ``head``, up to the first that answers or refuses."""
    done: list[Step] = []
    for each in filters:
        words = filter_words(each, redaction)
        try:
            outcome = each.on_request(head)
        except GatewayFiltersError as error:
            return head, (*done, Step(words, note="refuses the request")), refusal(error)
        if isinstance(outcome, Reply):
            return head, (*done, Step(words, note="answers the request")), _answer(each, outcome, redaction)
        done.append(Step(words, tuple(_changes(head, outcome, redaction)), _note(each)))
        head = outcome
    return head, tuple(done), None


def walk_all(head: RequestHead, stage: Stage, redaction: Redaction) -> Walked:
    """All steps of a rule or a backend, as far as the request gets: filters, who is asked, copies."""
    before, after = steps(stage)
    head, done, answer = walk(head, before, redaction)
    if answer is None:
        asked, answer = _asked(stage.auth)
        done = (*done, *asked)
    if answer is None:
        head, later, answer = walk(head, after, redaction)
        done = (*done, *later)
    copies = stage.mirrors if answer is None else ()
    return head, (*done, *map(_copied, copies)), answer


def _asked(auth: Iterable[ExternalAuth]) -> tuple[tuple[Step, ...], Answer | None]:
    """The services that are asked, up to one that cannot be."""
    asked: list[Step] = []
    for each in auth:
        words = f"ExternalAuth({each.backend.name}, path={each.path or '/'})"
        if isinstance(each.backend, Unusable):
            refused = refusal(RouteRefused(each.backend.reason))
            return (*asked, Step(words, note="refuses the request")), refused
        asked.append(Step(words, note="goes on when it permits"))
    return tuple(asked), None


def _copied(mirror: Mirror) -> Step:
    words = f"RequestMirror({mirror.backend.name}, {percent(mirror.share)})"
    return Step(words, note="sends a copy, without the credentials that are injected")


def refusal(error: GatewayFiltersError) -> Answer:
    """What a client gets for an error; the reason is for whoever runs the gateway."""
    judged = verdict(error)
    return Answer(judged.status, f"{judged.type}: {error}")


def _answer(given_by: Filter, reply: Reply, redaction: Redaction) -> Answer:
    return Answer(
        reply.head.status,
        f"{type(given_by).__name__} answers itself",
        redaction.pairs(reply.head.headers),
        reply.body.decode("utf-8", "replace"),
    )


def _note(each: Filter) -> str:
    if isinstance(each, CredentialInjection):
        state = each.source.state()
        return "" if state.since is None and not state.failure else f"the credential: {state}"
    return "" if type(each).on_response is Filter.on_response else "changes the answer's headers"


def _changes(before: RequestHead, after: RequestHead, redaction: Redaction) -> Iterator[Change]:
    for what in ("path", "authority"):
        old, new = (getattr(head, what).decode("latin-1") for head in (before, after))
        if old != new:
            yield Change(what, old, new)
    for name in dict.fromkeys(name for name, _ in (*before.headers, *after.headers)):
        if before.values(name) != after.values(name):
            what = f"header {name.decode('latin-1')}"
            yield Change(what, redaction.joined(before, name), redaction.joined(after, name))
