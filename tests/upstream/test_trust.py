"""upstream/trust: when a kept connection is tried by a request that cannot be sent a second time."""

from gateway_filters.upstream.trust import Trust


def test_trials_grow_rarer_while_connections_are_lost() -> None:
    """After a second, two, four, and at last once a minute."""
    trust, now, trials = Trust(), 100.0, list[float]()
    trust.lost(now)
    while now < 400:
        if trust.may_try(now):
            trials.append(now - 100)
            trust.lost(now)
        now += 0.25
    assert trials == [1, 3, 7, 15, 31, 63, 123, 183, 243]


def test_many_that_are_lost_at_one_moment_are_one_loss() -> None:
    """Those that were under way when the first was lost say nothing new."""
    trust = Trust()
    for _ in range(50):
        trust.lost(100.0)
    assert trust.wary == 1.0
    assert not trust.may_try(100.9)
    assert [trust.may_try(101.0) for _ in range(3)] == [True, False, False]


def test_an_answer_ends_it() -> None:
    """And the next loss is a first one."""
    trust = Trust()
    trust.lost(100.0)
    assert trust.may_try(101.0)
    trust.lost(101.0)
    assert trust.wary == 2.0
    trust.held()
    assert not trust.wary
    trust.lost(200.0)
    assert trust.wary == 1.0


def test_a_trial_of_which_nothing_was_heard_is_made_again() -> None:
    """It may have been given up by its client."""
    trust = Trust()
    trust.lost(100.0)
    assert trust.may_try(101.0)
    assert not trust.may_try(101.5)
    assert trust.may_try(102.0)
