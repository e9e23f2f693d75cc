"""A stop in half of the real times: the shorter stream ends whole, the longer with an error, and both are billed."""

from tests.benchmarks.shortest import MOST_SECONDS, play


def test_a_stream_within_the_grace_survives_and_a_longer_one_ends_with_an_error_event() -> None:
    ended = play("stop", "--scale", "0.5", "--short", "8", "--margin", "60", "--deadline", str(MOST_SECONDS))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "a stream of 4 s came to its end" in ended.stdout
    assert "a stream of 30 s ended with shutting_down" in ended.stdout
