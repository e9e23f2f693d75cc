"""A stop in a quarter of the real times: the short stream ends whole, the long one with an error; both are billed."""

import pytest

from tests.benchmarks.shortest import MOST_SECONDS, play

pytestmark = pytest.mark.long


def test_a_stream_within_the_grace_survives_and_a_longer_one_ends_with_an_error_event() -> None:
    ended = play("stop_grace", "--scale", "0.25", "--short", "16", "--margin", "120", "--deadline", str(MOST_SECONDS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "a stream of 4 s came to its end" in ended.stdout
    assert "a stream of 15 s ended with shutting_down" in ended.stdout
