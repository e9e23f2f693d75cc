"""Streams stay open with heartbeats, and hang-ups reach the upstream; `make streams` opens 9,000 and judges memory."""

import pytest

from benchmarks import open_streams
from benchmarks.open_streams import Level
from tests.benchmarks.shortest import MOST_SECONDS, play


@pytest.mark.long
def test_streams_live_and_hang_ups_are_noticed() -> None:
    ended = play("open_streams", "--streams", "30", "--first", "10", "--levels", "2", "--deadline", str(MOST_SECONDS))
    assert "30 streams: " in ended.stdout, ended.stdout + ended.stderr
    assert "10 callers hung up: 0 of their upstream calls went on" in ended.stdout
    for lost in ("no heartbeat", "gave no sign of life"):
        assert lost not in ended.stdout


def levels(*sizes: int, silent: int = 0) -> list[Level]:
    return [
        Level(streams=1000 * number, resident_bytes=size, silent=silent) for number, size in enumerate(sizes, start=1)
    ]


@pytest.mark.parametrize(
    ("found", "beats", "left_open", "said"),
    [
        (levels(100_000_000, 125_000_000), 1, 0, []),
        (levels(100_000_000, 140_000_000), 1, 0, ["a stream takes 40,000 bytes, at most 30,000 are allowed"]),
        (levels(380_000_000, 380_000_000), 1, 0, ["the gateway takes 380 MB, at most 370 are allowed"]),
        (levels(1, 1, silent=2), 1, 0, ["4 streams gave no sign of life within 15 s"]),
        (levels(1, 1), 0, 0, ["no heartbeat arrived"]),
        (levels(1, 1), 1, 3, ["3 upstream calls went on after their callers had left"]),
    ],
)
def test_each_bound_is_judged(found: list[Level], beats: int, left_open: int, said: list[str]) -> None:
    assert open_streams.complaints(found, beats, left_open) == said
