"""A few requests do not wait behind a flood, whatever its pattern, and no flow gains more than the lead."""

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
    """A queue that is served one request after another."""

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
        entry = waiter.entry
        self.fair_queue.remove(entry.member)
        cost = service_time(1, entry.tokens)
        self.fair_queue.charge(entry, cost, service_time, self.now)
        self.now += cost
        self.served[entry.flow] += 1
        return entry.flow

    def waiting(self, flow: str) -> int:
        return sum(waiter.entry.flow == flow for waiter in self.fair_queue.waiting.values())


def wait_of_most(served_queue: ServedQueue, refill: Callable[[], None] = lambda: None) -> float:
    """Return the seconds until 19 of the 20 requests of `few` were served."""
    begun = served_queue.now
    while served_queue.served["few"] < 19:
        served_queue.serve()
        refill()
    return served_queue.now - begun


def alone() -> float:
    served_queue = ServedQueue()
    served_queue.arrive("few", 20)
    return wait_of_most(served_queue)


@pytest.mark.parametrize("floods", [1, 2, 5])
@pytest.mark.parametrize("head_start", [0, 1, 5, 300])
def test_twenty_calls_beside_floods_wait_hardly_longer_than_alone(floods: int, head_start: int) -> None:
    served_queue = ServedQueue()
    for number in range(floods):
        served_queue.arrive(f"flood{number}", 1_000)
    for _ in range(head_start):
        served_queue.serve()
    served_queue.arrive("few", 20)
    assert wait_of_most(served_queue) <= 1.1 * alone()


@pytest.mark.parametrize("first", ["few", "flood"])
def test_the_order_of_arrival_of_flows_does_not_matter(first: str) -> None:
    served_queue = ServedQueue()
    for flow in (first, {"few": "flood", "flood": "few"}[first]):
        served_queue.arrive(flow, 20 if flow == "few" else 1_000)
    assert wait_of_most(served_queue) <= 1.1 * alone()


@pytest.mark.parametrize("at_once", [1, 10, 19])
@pytest.mark.parametrize("head_start", [0, 300])
def test_a_flood_that_keeps_few_waiting_at_a_time_gains_nothing_by_it(at_once: int, head_start: int) -> None:
    served_queue = ServedQueue()

    def refill() -> None:
        served_queue.arrive("flood", at_once - served_queue.waiting("flood"))

    refill()
    for _ in range(head_start):
        served_queue.serve()
        refill()
    served_queue.arrive("few", 20)
    # who begins at the same moment asks for no more than the twenty until it has had as many
    assert wait_of_most(served_queue, refill) <= (2.2 if head_start == 0 else 1.1) * alone()


def test_a_flood_of_large_requests_is_charged_by_size() -> None:
    served_queue = ServedQueue()
    served_queue.arrive("flood", 200, tokens=5_000)
    served_queue.serve()
    served_queue.arrive("few", 20)
    assert wait_of_most(served_queue) <= 1.1 * alone()


@settings(max_examples=200, deadline=None)
@given(
    weights=st.tuples(st.sampled_from([1, 4, 16]), st.sampled_from([1, 4, 16])),
    bursts=st.lists(st.tuples(st.sampled_from([0, 1, 3, 20, 200]), st.integers(1, 60)), min_size=1, max_size=30),
    backlog=st.sampled_from([1, 2, 30, 500]),
)
def test_a_flow_that_comes_and_goes_gains_at_most_the_lead(
    weights: tuple[int, int], bursts: list[tuple[int, int]], backlog: int
) -> None:
    served_queue = ServedQueue()
    stays, comes = weights
    served_queue.arrive("stays", backlog, weight=stays)
    for calls, turns in bursts:
        served_queue.arrive("comes", calls, weight=comes)
        for _ in range(turns):
            served_queue.serve()
            served_queue.arrive("stays", backlog - served_queue.waiting("stays"), weight=stays)
            ahead = served_queue.served["comes"] / comes - served_queue.served["stays"] / stays
            assert ahead <= MAX_LEAD + 1 / comes + 1e-6


@settings(max_examples=100, deadline=None)
@given(
    others=st.integers(1, 6),
    seed=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, 5, 40])), min_size=20, max_size=200),
)
def test_a_flood_is_served_whatever_other_flows_do(others: int, seed: list[tuple[int, int]]) -> None:
    served_queue = ServedQueue()
    served_queue.arrive("flood", 2_000)
    for who, calls in seed:
        served_queue.arrive(f"other{who % others}", calls)
        served_queue.serve()
    turns = len(seed)
    assert served_queue.served["flood"] >= (turns - others * (MAX_LEAD * NORMAL + 1)) / (others + 1) - 1


def test_an_idle_flow_cannot_save_up_service() -> None:
    served_queue = ServedQueue()
    served_queue.arrive("early", 1)
    served_queue.arrive("flood", 5_000)
    for _ in range(2_000):
        served_queue.serve()
    served_queue.arrive("early", 1_000)
    before = served_queue.served["early"]
    for _ in range(400):
        served_queue.serve()
    assert served_queue.served["early"] - before <= 200 + MAX_LEAD * NORMAL


def test_two_floods_share_evenly() -> None:
    served_queue = ServedQueue()
    served_queue.arrive("one", 1_000)
    served_queue.arrive("other", 1_000)
    for _ in range(1_000):
        served_queue.serve()
    assert abs(served_queue.served["one"] - served_queue.served["other"]) <= MAX_LEAD * NORMAL + 1


def test_a_failed_send_is_returned_up_to_the_lead() -> None:
    served_queue = ServedQueue()
    served_queue.arrive("one", 100)
    served_queue.arrive("other", 100)
    back = [
        QueueEntry(
            member=f"p:back{n}", tokens=100, flow="one", weight=NORMAL, deadline=math.inf, position=QueuePosition(n)
        )
        for n in range(90)
    ]
    for one in back:
        served_queue.fair_queue.push(
            one, QueuePosition(one.position.seq if one.position else 0), service_time, served_queue.now
        )
    for _ in range(100):
        served_queue.serve()
    assert served_queue.served["one"] - served_queue.served["other"] <= 2 * MAX_LEAD * NORMAL + 1


def test_the_work_ahead_is_estimated_correctly() -> None:
    served_queue = ServedQueue()
    served_queue.arrive("flood", 300)
    served_queue.arrive("other", 100)
    served_queue.arrive("few", 9)
    mine = QueueEntry(member="p:mine", tokens=100, flow="few", weight=NORMAL, deadline=math.inf)
    told, _ = served_queue.fair_queue.work_ahead(mine, service_time, served_queue.now)
    served_queue.arrive("few")
    turns = 0
    while served_queue.served["few"] < 10:
        served_queue.serve()
        turns += 1
    assert turns - 1 == pytest.approx(told, abs=2)


def test_a_queue_has_a_representation_and_knows_its_members() -> None:
    served_queue = ServedQueue()
    served_queue.arrive("one", 2)
    assert repr(served_queue.fair_queue) == "<Order of 2>"
    assert served_queue.fair_queue.has_waiting("one/4")
    assert not served_queue.fair_queue.has_waiting("other/4")
    assert not served_queue.fair_queue.remove("nobody")
