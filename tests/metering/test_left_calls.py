"""Over runs with a drawn pace, way and stop, no left call is charged below its bill, and all together at most twice it.

An upstream writes at a steady pace. Its words, and the hang-up, take their time on the way, and both sides are busy at
times. The gateway knows only for how long the upstream writes on at most.
"""

from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.core.errors import ClientDisconnected
from tidegate.core.values import Outcome
from tidegate.metering.pace import PaceMemory
from tidegate.metering.unseen_output import WritingLimits, unseen_output
from tidegate.routing.hang_ups import HangUps

TARGET, HIGHEST, STOP_SECONDS = "openai/gpt-4o-mini", 300, 0.1
LONGEST, SHORT = 300, 60
INPUT = 5
"""What a question costs, in tokens of output."""


class Run(msgspec.Struct, frozen=True):
    """One upstream and the way to it."""

    ttft: float
    pace: float
    stop: float
    way: float
    """Seconds in one direction."""
    busy: float
    """Seconds by which either side is late on average."""

    @staticmethod
    def drawn(dice: Random) -> "Run":
        return Run(
            ttft=dice.uniform(0.02, 0.2),
            pace=dice.uniform(30, 200),
            stop=dice.uniform(0, STOP_SECONDS),
            way=dice.uniform(0.0005, 0.08),
            busy=dice.choice((0.001, 0.004, 0.012)),
        )

    def late(self, dice: Random) -> float:
        return dice.expovariate(1 / self.busy)

    def written(self, until: float) -> int:
        """Return the tokens that were written until a moment, in seconds since the question arrived."""
        return 0 if until < self.ttft else 1 + int((until - self.ttft) * self.pace)

    def reads(self, dice: Random, tokens: int) -> list[float]:
        """Return when each token is read, in seconds since the question was sent: in their order, some late."""
        moments, last = [], 0.0
        for number in range(tokens):
            came = 2 * self.way + self.ttft + number / self.pace + self.late(dice)
            last = max(last, came)
            moments.append(last)
        return moments


def finished(run: Run, dice: Random) -> tuple[Outcome, int]:
    """A stream that was read to its end."""
    tokens = dice.randrange(20, SHORT + 1)
    reads = run.reads(dice, tokens)
    return Outcome(stream=True, seconds=reads[-1], writing_seconds=reads[-1] - reads[0]), tokens


def left(run: Run, dice: Random, hang_ups: HangUps, *, stream: bool, starved: float = 0.0) -> tuple[Outcome, int, int]:
    """A call that its client left: what is known of it, the tokens that were read, and those that were written.

    A `starved` server notices so much later, and tells its model as much later again.
    """
    leaves = dice.uniform(0.05, 0.8) if stream else dice.uniform(0.02, 0.2)
    hung_up = max(0.0, leaves + run.late(dice))
    noticed = hung_up + run.way + run.late(dice) + starved - run.way  # since the question arrived
    written = min(LONGEST, run.written(noticed + starved + run.stop))
    seen = min(written, run.written(noticed)) if stream else 0
    reads = run.reads(dice, seen)
    ends = max([*reads, noticed + 2 * run.way + run.late(dice)])
    outcome = Outcome(
        error=ClientDisconnected(),
        stream=stream,
        seconds=ends,
        silent_seconds=ends - reads[-1] if reads else ends,
        writing_seconds=reads[-1] - reads[0] if reads else 0.0,
        hang_up_was_seen=True,
        hang_up_delay=hang_ups.delay(TARGET, ends - hung_up),
    )
    return outcome, seen, written


def charged(paces: PaceMemory, outcome: Outcome, seen: int) -> int:
    """The tokens that the ledger has for it."""
    limits = WritingLimits(
        tokens_per_second=paces.tokens_per_second(TARGET, outcome, seen),
        earliest_seconds=paces.earliest_content(TARGET),
        cancels="always",
        stop_seconds=STOP_SECONDS,
    )
    body = {"max_tokens": LONGEST, "stream": outcome.stream}
    texts = ["tide"] * bool(seen)
    return seen + unseen_output(
        outcome, texts, seen, route=endpoints.CHAT, model="gpt-4o-mini", body=body, limits=limits
    )


def books(
    dice: Random, *, learned: int = 20, calls: int = 60, starved_calls: range = range(0)
) -> Iterator[tuple[Run, Outcome, int, int]]:
    """Of each call of one run: the run, what is known, the tokens that were billed, those that were charged."""
    run, paces, hang_ups = Run.drawn(dice), PaceMemory(highest=HIGHEST), HangUps()
    for _ in range(learned):
        outcome, tokens = finished(run, dice)
        paces.learn(TARGET, outcome, tokens)
    for number in range(calls):
        starved = dice.uniform(0.1, 0.5) if number in starved_calls else 0.0
        outcome, seen, written = left(run, dice, hang_ups, stream=number % 6 != 0, starved=starved)
        yield run, outcome, written, charged(paces, outcome, seen)


@pytest.mark.parametrize("seed", range(200))
def test_each_is_charged_its_bill_at_least_and_all_at_most_twice(seed: int) -> None:
    billed = booked = 0
    for run, outcome, written, charge in books(Random(seed)):  # noqa: S311  # no secret
        assert charge >= written, f"{run}: {outcome}"
        billed += INPUT + written
        booked += INPUT + charge
    assert booked <= 2 * billed


def test_a_process_that_has_read_nothing_yet_charges_no_less() -> None:
    for seed in range(50):
        for run, outcome, written, charge in books(Random(seed), learned=0):  # noqa: S311  # no secret
            assert charge >= written, f"{run}: {outcome}"


@pytest.mark.parametrize("seed", range(50))
def test_a_server_that_is_starved_for_a_while_is_charged_no_less(seed: int) -> None:
    billed = booked = 0
    for run, outcome, written, charge in books(Random(seed), starved_calls=range(20, 30)):  # noqa: S311  # no secret
        assert charge >= written, f"{run}: {outcome}"
        billed += INPUT + written
        booked += INPUT + charge
    assert booked <= 2 * billed
