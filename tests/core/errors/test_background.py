"""What ends a background response is an error of the server, and what keeps it from beginning a limit."""

from tidegate.core.errors import BackgroundQueueFull, BackgroundTimeout, GatewayRestarted


def test_each_says_which_setting_it_is_about() -> None:
    assert "background.max_open" in BackgroundQueueFull().message
    assert "background.deadline_seconds" in BackgroundTimeout().message


def test_openais_codes_are_used() -> None:
    assert BackgroundTimeout.code == GatewayRestarted.code == "server_error"
    assert BackgroundQueueFull.code == "rate_limit_exceeded"
