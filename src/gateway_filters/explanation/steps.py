"""What happens to a request's head, step by step."""

from collections.abc import Iterable

from gateway_filters.errors import GatewayFiltersError, RouteRefused, verdict
from gateway_filters.explanation.door import Door
from gateway_filters.explanation.redaction import Redaction
from gateway_filters.explanation.values import Answer, Step
from gateway_filters.explanation.words import filter_words, percent
from gateway_filters.filters import CredentialInjection, Filter
from gateway_filters.message.head import Reply, RequestHead
from gateway_filters.routing import ExternalAuth, Mirror, Route, SecurityPolicy, Unusable
from gateway_filters.steps import Stage, steps

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
        done.append(Step(words, tuple(redaction.changes(head, outcome)), _note(each)))
        head = outcome
    return head, tuple(done), None


def walk_all(head: RequestHead, stage: Stage, redaction: Redaction, *, websocket: bool) -> Walked:
    """All steps of a rule or a backend, as far as the request gets: filters, who is asked, copies."""
    before, after = steps(stage)
    head, done, answer = walk(head, before, redaction)
    if answer is None and isinstance(stage, Route) and stage.security is not None:
        head, shown, answer = _let_in(head, stage.security, redaction)
        done = (*done, *shown)
    if answer is None:
        asked, answer = _asked(stage.auth)
        done = (*done, *asked)
    if answer is None:
        head, later, answer = walk(head, after, redaction)
        done = (*done, *later)
    copies = stage.mirrors if answer is None and not websocket else ()
    return head, (*done, *map(_copied, copies)), answer


def _let_in(head: RequestHead, policy: SecurityPolicy, redaction: Redaction) -> Walked:
    """What a policy asks of the client, as far as it gets."""
    asked, answer = _asked([policy.ext_auth] if policy.ext_auth else [])
    if answer is not None:
        return head, asked, answer
    door = Door(policy, redaction)
    walked = list(door.walk(head))
    shown = (*asked, *(step for _, step in walked))
    return walked[-1][0] if walked else head, shown, None if door.error is None else refusal(door.error)


def _asked(auth: Iterable[ExternalAuth]) -> tuple[tuple[Step, ...], Answer | None]:
    """The services that are asked, up to one that cannot be."""
    asked: list[Step] = []
    for each in auth:
        words = f"ExternalAuth({each.backend.name}, path={each.whole_path or each.path or '/'})"
        if isinstance(each.backend, Unusable):
            refused = refusal(RouteRefused(each.backend.reason))
            return (*asked, Step(words, note="refuses the request")), refused
        unless = " or fails" if each.fail_open else ""
        asked.append(Step(words, note=f"goes on when it permits{unless}"))
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
