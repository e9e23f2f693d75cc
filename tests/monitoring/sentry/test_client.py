"""What the SDK writes of an error: names and locations in the code, and no canary, with each version of the SDK."""

import socket
from pathlib import Path

import pytest

import tidegate
from tests.monitoring.sentry.servers import fake_sentry
from tidegate import __version__
from tidegate.core.clock import SystemClock
from tidegate.monitoring.sentry.client import SentryClient
from tidegate.monitoring.sentry.problem import problem_of_error

PROJECT = Path(tidegate.__file__).parents[1]
CANARY = "canary-7f3a9c"


class Secretive:
    """A value whose text is the canary."""

    def __repr__(self) -> str:
        return CANARY


def fail(prompt: str, authorization: Secretive) -> None:
    body: dict[str, object] = {"messages": [{"content": prompt}], "held": authorization}
    try:
        body[f"{prompt} in {body}"]
    except KeyError as error:
        raise ValueError(f"cannot handle {prompt}") from error


def failure() -> Exception:
    try:
        fail(CANARY, Secretive())
    except ValueError as error:
        error.add_note(CANARY)
        return error
    raise AssertionError("it failed")


def test_an_error_arrives_without_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENTRY_ENVIRONMENT", "SENTRY_RELEASE"):
        monkeypatch.setenv(name, CANARY)
    problem = problem_of_error(failure())
    assert problem is not None
    with fake_sentry() as sentry:
        SentryClient(lambda: sentry.dsn, "staging", SystemClock()).send(problem, left_out=7)
    [event] = sentry.events
    assert [each["type"] for each in event["exception"]["values"]] == ["KeyError", "ValueError"]
    assert event["fingerprint"] == ["tidegate", "internal_error", "builtins.ValueError", f"{__name__}.fail"]
    assert event["release"] == f"tidegate@{__version__}"
    assert event["environment"] == "staging"
    assert event["extra"] == {"not_sent_since_the_last": 7}
    assert CANARY.encode() not in sentry.everything
    for never in (socket.gethostname(), str(PROJECT)):
        assert never.encode() not in sentry.everything
    kept_out = {"user", "request", "breadcrumbs", "modules", "contexts", "server_name", "threads"}
    assert kept_out & set(event) == set()
    frames = [frame for each in event["exception"]["values"] for frame in each["stacktrace"]["frames"]]
    assert frames
    assert {"vars", "abs_path", "context_line", "pre_context", "post_context"} & {
        key for each in frames for key in each
    } == set()


@pytest.mark.parametrize("dsn", ["", "no dsn", "https://sentry.example/42", f"ftp://{CANARY}@host/1"])
def test_what_is_no_dsn_is_refused_without_being_shown(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"sentry\.dsn") as refused:
        SentryClient(lambda: dsn, "production", SystemClock())
    assert CANARY not in str(refused.value)
