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
