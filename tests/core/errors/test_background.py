"""What ends a background response has a name of its own; what prevents its start is a limit."""

from tidegate.core.errors import BackgroundQueueFull, BackgroundTimeout, GatewayRestarted


def test_each_says_which_setting_it_is_about() -> None:
    assert "background.max_open" in BackgroundQueueFull().message
    assert "background.deadline_seconds" in BackgroundTimeout().message


def test_the_codes() -> None:
    assert (BackgroundTimeout.code, GatewayRestarted.code) == ("background_timeout", "gateway_restarted")
    assert BackgroundQueueFull.code == "rate_limit_exceeded"
