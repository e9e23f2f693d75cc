"""Ten events a minute of one kind pass; the rest is counted, and the memory for it is bounded."""

from tidegate.monitoring.sentry.rate_limit import MAX_A_MINUTE, MAX_KINDS, RateLimit


def test_ten_a_minute_pass_and_the_next_says_how_many_did_not() -> None:
    limit = RateLimit()
    passed = [limit.passes(("a",), now=float(second)) for second in range(30)]
    assert passed == [0] * MAX_A_MINUTE + [None] * 20
    assert limit.passes(("a",), now=59.9) is None
    assert limit.passes(("a",), now=60.0) == 21
    assert limit.left_out == 21


def test_never_more_than_ten_in_any_minute() -> None:
    limit = RateLimit()
    passed = [now for now in (step * 0.7 for step in range(1000)) if limit.passes(("a",), now) is not None]
    assert max(sum(begin <= now < begin + 60 for now in passed) for begin in passed) == MAX_A_MINUTE


def test_kinds_do_not_share() -> None:
    limit = RateLimit()
    for _ in range(MAX_A_MINUTE + 1):
        limit.passes(("a",), 0.0)
    assert limit.passes(("b",), 0.0) == 0


def test_too_many_kinds_are_left_out_until_others_are_quiet() -> None:
    limit = RateLimit()
    for number in range(MAX_KINDS):
        assert limit.passes((str(number),), 0.0) == 0
    assert limit.passes(("more",), 1.0) is None
    assert limit.left_out == 1
    assert limit.passes(("more",), 60.0) == 0
