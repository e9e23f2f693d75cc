"""Who goes next: a few calls do not wait behind a flood, however it comes; and nobody gains more than the lead."""

import math
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.queue.fair_queue import MAX_LEAD, FairQueue
from tidegate.queue.messages import QueueEntry, QueuePosition

CALL_SECONDS = 0.1
"""Seconds of the lane that a call of a hundred tokens takes: 600 calls or 60,000 tokens a minute."""
NORMAL = 4


def service_time(calls: float, tokens: float) -> float:
    return max(calls * CALL_SECONDS, tokens * CALL_SECONDS / 100)


class ServedQueue:
    """An order that is served one turn after another."""

    def __init__(self) -> None:
        self.fair_queue, self.now, self.count = FairQueue(), 1_000.0, 0
        self.served: Counter[str] = Counter()

    def arrive(self, flow: str, calls: int = 1, *, weight: int = NORMAL, tokens: int = 100) -> None:
        for _ in range(calls):
            self.count += 1
            one = QueueEntry(member=f"p:{self.count}", tokens=tokens, flow=flow, weight=weight, deadline=math.inf)
            self.fair_queue.push(one, QueuePosition(self.fair_queue.next_seq), service_time, self.now)

    def serve(self) -> str:
        waiter = self.fair_queue.peek(service_time, self.now)
        assert waiter is not None
        ticket = waiter.entry
        self.fair_queue.remove(ticket.member)
        cost = service_time(1, ticket.tokens)
        self.fair_queue.charge(ticket, cost, service_time, self.now)
        self.now += cost
        self.served[ticket.flow] += 1
        return ticket.flow

    def waiting(self, flow: str) -> int:
        return sum(waiter.entry.flow == flow for waiter in self.fair_queue.waiting.values())


def wait_of_most(line: ServedQueue, refill: Callable[[], None] = lambda: None) -> float:
    """Seconds until 19 of the 20 calls of `few` were served."""
    begun = line.now
    while line.served["few"] < 19:
        line.serve()
        refill()
    return line.now - begun


def alone() -> float:
    line = ServedQueue()
    line.arrive("few", 20)
    return wait_of_most(line)


@pytest.mark.parametrize("floods", [1, 2, 5])
@pytest.mark.parametrize("head_start", [0, 1, 5, 300])
def test_twenty_calls_beside_floods_wait_hardly_longer_than_alone(floods: int, head_start: int) -> None:
    line = ServedQueue()
    for number in range(floods):
        line.arrive(f"flood{number}", 1_000)
    for _ in range(head_start):
        line.serve()
    line.arrive("few", 20)
    assert wait_of_most(line) <= 1.1 * alone()


@pytest.mark.parametrize("first", ["few", "flood"])
def test_it_does_not_matter_who_came_first(first: str) -> None:
    line = ServedQueue()
    for flow in (first, {"few": "flood", "flood": "few"}[first]):
        line.arrive(flow, 20 if flow == "few" else 1_000)
    assert wait_of_most(line) <= 1.1 * alone()


@pytest.mark.parametrize("at_once", [1, 10, 19])
@pytest.mark.parametrize("head_start", [0, 300])
def test_a_flood_that_keeps_few_waiting_at_a_time_gains_nothing_by_it(at_once: int, head_start: int) -> None:
    line = ServedQueue()

    def refill() -> None:
        line.arrive("flood", at_once - line.waiting("flood"))

    refill()
    for _ in range(head_start):
        line.serve()
        refill()
    line.arrive("few", 20)
    # who begins at the same moment asks for no more than the twenty until it has had as many
    assert wait_of_most(line, refill) <= (2.2 if head_start == 0 else 1.1) * alone()


def test_a_flood_of_large_calls_counts_for_what_it_takes() -> None:
    line = ServedQueue()
    line.arrive("flood", 200, tokens=5_000)
    line.serve()
    line.arrive("few", 20)
    assert wait_of_most(line) <= 1.1 * alone()


@settings(max_examples=200, deadline=None)
@given(
    weights=st.tuples(st.sampled_from([1, 4, 16]), st.sampled_from([1, 4, 16])),
    bursts=st.lists(st.tuples(st.sampled_from([0, 1, 3, 20, 200]), st.integers(1, 60)), min_size=1, max_size=30),
    backlog=st.sampled_from([1, 2, 30, 500]),
)
def test_whoever_comes_and_goes_has_no_more_than_the_lead_over_one_who_stays(
    weights: tuple[int, int], bursts: list[tuple[int, int]], backlog: int
) -> None:
    line = ServedQueue()
    stays, comes = weights
    line.arrive("stays", backlog, weight=stays)
    for calls, turns in bursts:
        line.arrive("comes", calls, weight=comes)
        for _ in range(turns):
            line.serve()
            line.arrive("stays", backlog - line.waiting("stays"), weight=stays)
            ahead = line.served["comes"] / comes - line.served["stays"] / stays
            assert ahead <= MAX_LEAD + 1 / comes + 1e-6


@settings(max_examples=100, deadline=None)
@given(
    others=st.integers(1, 6),
    seed=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, 5, 40])), min_size=20, max_size=200),
)
def test_a_flood_moves_on_whatever_any_number_of_others_do(others: int, seed: list[tuple[int, int]]) -> None:
    line = ServedQueue()
    line.arrive("flood", 2_000)
    for who, calls in seed:
        line.arrive(f"other{who % others}", calls)
        line.serve()
    turns = len(seed)
    assert line.served["flood"] >= (turns - others * (MAX_LEAD * NORMAL + 1)) / (others + 1) - 1


def test_who_was_idle_has_no_claim_to_what_it_did_not_use() -> None:
    line = ServedQueue()
    line.arrive("early", 1)
    line.arrive("flood", 5_000)
    for _ in range(2_000):
        line.serve()
    line.arrive("early", 1_000)
    before = line.served["early"]
    for _ in range(400):
        line.serve()
    assert line.served["early"] - before <= 200 + MAX_LEAD * NORMAL


def test_two_floods_share_evenly() -> None:
    line = ServedQueue()
    line.arrive("one", 1_000)
    line.arrive("other", 1_000)
    for _ in range(1_000):
        line.serve()
    assert abs(line.served["one"] - line.served["other"]) <= MAX_LEAD * NORMAL + 1


def test_a_turn_for_nothing_is_given_back_but_no_more_than_the_lead() -> None:
    line = ServedQueue()
    line.arrive("one", 100)
    line.arrive("other", 100)
    back = [
        QueueEntry(
            member=f"p:back{n}", tokens=100, flow="one", weight=NORMAL, deadline=math.inf, position=QueuePosition(n)
        )
        for n in range(90)
    ]
    for one in back:
        line.fair_queue.push(one, QueuePosition(one.position.seq if one.position else 0), service_time, line.now)
    for _ in range(100):
        line.serve()
    assert line.served["one"] - line.served["other"] <= 2 * MAX_LEAD * NORMAL + 1


def test_what_is_ahead_is_told_as_it_will_be() -> None:
    line = ServedQueue()
    line.arrive("flood", 300)
    line.arrive("other", 100)
    line.arrive("few", 9)
    mine = QueueEntry(member="p:mine", tokens=100, flow="few", weight=NORMAL, deadline=math.inf)
    told, _ = line.fair_queue.work_ahead(mine, service_time, line.now)
    line.arrive("few")
    turns = 0
    while line.served["few"] < 10:
        line.serve()
        turns += 1
    assert turns - 1 == pytest.approx(told, abs=2)


def test_an_order_shows_itself_and_knows_who_does_not_wait() -> None:
    line = ServedQueue()
    line.arrive("one", 2)
    assert repr(line.fair_queue) == "<Order of 2>"
    assert line.fair_queue.has_waiting("one/4")
    assert not line.fair_queue.has_waiting("other/4")
    assert not line.fair_queue.remove("nobody")
