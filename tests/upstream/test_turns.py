"""upstream/turns: whose request gets the next connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_filters.upstream.turns import Turns


def of(*waiters: str) -> Turns[str]:
    """Waiters in the order in which they have come; the first letter is the client."""
    turns = Turns[str]()
    for waiter in waiters:
        turns.join(waiter, waiter[0])
    return turns


def order(turns: Turns[str]) -> list[str]:
    """All of them as their turns come."""
    return [waiter for _ in range(len(turns)) if (waiter := turns.next()) is not None]


ORDERS = [
    pytest.param("a1 a2 a3", "a1 a2 a3", id="those of one client come as they came"),
    pytest.param("a1 a2 a3 b1 c1", "a1 b1 c1 a2 a3", id="a client that came late waits for one of each other client"),
    pytest.param("a1 b1 a2 b2 b3", "a1 b1 a2 b2 b3", id="clients with as much take turns"),
    pytest.param("", "", id="nobody waits"),
]


@pytest.mark.parametrize(("came", "served"), ORDERS)
def test_clients_take_turns(came: str, served: str) -> None:
    """Round robin over clients, each of them first come first served."""
    assert order(of(*came.split())) == served.split()


def test_who_has_been_served_is_behind_who_came_meanwhile() -> None:
    """Its turn is over, however many it has left."""
    turns = of("a1", "a2", "a3")
    assert turns.next() == "a1"
    turns.join("b1", "b")
    assert order(turns) == ["a2", "b1", "a3"]


def test_who_leaves_has_no_turn() -> None:
    """Nor has its client, where it was the last one; leaving twice is nothing."""
    turns = of("a1", "b1", "a2")
    for waiter in ("a1", "a1", "b1"):
        turns.leave(waiter)
    assert order(turns) == ["a2"] and turns.next() is None


CROWDS = [
    pytest.param("a1 a2 a3", "b", "a3", id="the youngest of the client that has most makes room"),
    pytest.param("a1 a2 b1", "b", None, id="nobody makes room for who would then have more"),
    pytest.param("a1 a2 a3 b1", "b", "a3", id="one that waits already may have as many"),
    pytest.param("a1 a2 a3", "a", None, id="a client makes no room for itself"),
    pytest.param("a1 b1", "c", None, id="one request each is everybody's"),
    pytest.param("", "a", None, id="nobody is there"),
]


@pytest.mark.parametrize(("came", "client", "gone"), CROWDS)
def test_who_fills_the_queue_makes_room(came: str, client: str, gone: str | None) -> None:
    """For clients that have fewer, and for nobody else."""
    turns = of(*came.split())
    assert turns.crowded_out(client) == gone
    assert sorted(order(turns)) == sorted(each for each in came.split() if each != gone)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_nobody_waits_for_more_than_one_of_each_other_client(moves: list[tuple[str, bool]]) -> None:
    """Whatever came and was served before."""
    turns = Turns[str]()
    waiting = list[str]()
    for number, (client, serve) in enumerate(moves):
        if serve and waiting:
            waiting.remove(turns.next() or "")
        turns.join(f"{client}{number}", client)
        waiting.append(f"{client}{number}")
    first_of = {client: next(each for each in waiting if each[0] == client) for client in {each[0] for each in waiting}}
    served = order(turns)
    assert sorted(served) == sorted(waiting)
    assert sorted(served[: len(first_of)]) == sorted(first_of.values())
