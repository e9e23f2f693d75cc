"""One serving process is configured as its settings say, and logs where it can be reached."""

import structlog

from tidegate.app import build
from tidegate.cli.worker import graceful_server, log_ready, uvicorn_config
from tidegate.core.config import Settings
from tidegate.web.listeners import bind

SETTINGS = Settings(
    database_url="postgresql://127.0.0.1:9/x",
    redis_url="redis://127.0.0.1:9",
    server={"grace_seconds": 9, "keep_alive_seconds": 7},
)


def test_the_server_gets_the_bounds_of_the_settings() -> None:
    config = uvicorn_config(build(SETTINGS), SETTINGS)
    assert (config.timeout_keep_alive, config.server_header, config.access_log) == (7, False, False)
    assert (SETTINGS.server.drain, SETTINGS.server.grace_seconds) == (3.0, 9)


def test_ready_is_logged_with_the_true_address() -> None:
    (listener,) = bind("127.0.0.1", 0)
    with listener, structlog.testing.capture_logs() as logs:
        log_ready(SETTINGS, [listener])
        port = listener.getsockname()[1]
    assert logs[0]["addresses"] == [f"http://127.0.0.1:{port}"]


def test_the_server_and_the_gateway_share_the_lifecycle() -> None:
    gateway = build(SETTINGS)
    server = graceful_server(gateway, SETTINGS)
    assert not gateway.lifecycle.is_draining
    assert server.config.app is gateway
