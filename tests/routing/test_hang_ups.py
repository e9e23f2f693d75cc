"""A provider is waited for as long as it has shown that it notices a hang-up."""

from tidegate.routing.hang_ups import HangUps


def test_one_that_shows_it_is_given_time_and_one_that_does_not_is_not_waited_for() -> None:
    hang_ups = HangUps()
    assert hang_ups.patience("openai", 100.0) == 0.5
    hang_ups.note("openai", 100.0, shown=True)
    assert hang_ups.patience("openai", 100.0) == 5.0, "it is slow now"
    hang_ups.note("openai", 105.0, shown=False)
    assert hang_ups.patience("openai", 105.0) == 0.0
    assert hang_ups.patience("azure", 105.0) == 0.5, "another provider"
    assert hang_ups.patience("openai", 704.9) == 0.0
    assert hang_ups.patience("openai", 705.0) == 0.5, "it is tried again"


def test_a_hang_up_is_as_late_as_it_took_longer_than_the_fastest_of_the_latest() -> None:
    hang_ups = HangUps()
    assert hang_ups.delay("openai", 0.2) == 0.1, "the first one may be late, or from far away"
    assert hang_ups.delay("openai", 0.2) == 0.0
    assert hang_ups.delay("openai", 0.75) == 0.55
    assert hang_ups.delay("azure", 0.3) == 0.15, "another provider"
    assert hang_ups.delay("azure", 0.34) == 0.0, "a little is usual"
    for _ in range(100):
        hang_ups.delay("openai", 0.75)
    assert hang_ups.delay("openai", 0.75) == 0.0, "it is farther away now"
