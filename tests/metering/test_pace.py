"""What a target writes unseen is bounded by the pace of its latest streams, once they are known."""

import pytest

from tidegate.core.values import Outcome
from tidegate.metering.pace import PaceMemory

TARGET, OTHER = "openai/gpt-4o", "openai/o3"
HIGHEST = 300
NOTHING_READ = Outcome(stream=True, seconds=1.0)


def stream(writing: float, *, first: float = 0.5, silent: float = 0.0) -> Outcome:
    return Outcome(stream=True, seconds=first + writing + silent, silent_seconds=silent, writing_seconds=writing)


def test_until_a_stream_was_read_the_configured_maximum_counts() -> None:
    paces = PaceMemory(highest=HIGHEST)
    paces.learn(OTHER, stream(1.0), 40)
    assert paces.tokens_per_second(TARGET, NOTHING_READ, 0) == HIGHEST
    assert paces.earliest_content(TARGET) == 0.0


def test_the_fastest_of_the_latest_streams_counts_and_its_own_pace() -> None:
    paces = PaceMemory(highest=HIGHEST)
    paces.learn(TARGET, stream(1.0, first=0.8), 65)
    paces.learn(TARGET, stream(1.0, first=0.4), 20)
    assert paces.tokens_per_second(TARGET, NOTHING_READ, 0) == 80, "a quarter more than 64"
    assert paces.tokens_per_second(TARGET, stream(0.5), 37) == 90, "its own pace is 72"
    assert paces.tokens_per_second(TARGET, stream(0.5), 300) == HIGHEST
    assert paces.earliest_content(TARGET) == pytest.approx(0.3)
    for _ in range(64):
        paces.learn(TARGET, stream(1.0), 9)
    assert paces.tokens_per_second(TARGET, NOTHING_READ, 0) == 50, "a slow moment is no pace"


@pytest.mark.parametrize(("writing", "tokens"), [(0.05, 40), (1.0, 7), (0.0, 0)])
def test_a_stream_that_was_too_short_tells_nothing(writing: float, tokens: int) -> None:
    paces = PaceMemory(highest=HIGHEST)
    paces.learn(TARGET, stream(writing), tokens)
    assert paces.tokens_per_second(TARGET, stream(writing), tokens) == HIGHEST


def test_it_remembers_some_targets_only() -> None:
    paces = PaceMemory(highest=HIGHEST)
    for number in range(513):
        paces.learn(f"openai/{number}", stream(1.0), 41)
    assert paces.tokens_per_second("openai/0", NOTHING_READ, 0) == HIGHEST
    assert paces.tokens_per_second("openai/512", NOTHING_READ, 0) == 50
