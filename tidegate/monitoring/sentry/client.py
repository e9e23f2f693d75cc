"""The only module that knows Sentry's SDK: it turns a problem into an envelope, and `outbound_http` sends that.

The SDK is asked for nothing but the envelope. Its transport would retry, and keep what waits, by rules of its own.
Versions 2.75 and 3 have other options and other defaults, so each is set here if the version has it.
"""

from collections.abc import Callable
from typing import Any, cast

from sentry_sdk import Client
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sentry_sdk.utils import BadDsn, Dsn

from tidegate import __version__
from tidegate.core.clock import Clock
from tidegate.core.process.outbound_http import ExchangeFailed, exchange
from tidegate.monitoring.sentry.problem import ErrorTrace, Problem
from tidegate.monitoring.sentry.sender import ProblemNotSent

DEADLINE_SECONDS = 10.0
"""For one event."""
PAUSE_SECONDS = 60.0
"""After Sentry answers that it gets too many events."""
_TOO_MANY = 429
_SENT_KEYS = frozenset(
    {
        "event_id", "timestamp", "level", "platform", "logger", "release", "environment", "fingerprint", "logentry",
        "exception", "tags", "extra", "sdk",
    }
)  # fmt: skip
_OPTIONS: dict[str, Any] = {
    "release": f"tidegate@{__version__}",
    "server_name": "",
    "integrations": [],
    "default_integrations": False,
    "auto_enabling_integrations": False,
    "auto_session_tracking": False,
    "send_client_reports": False,
    "attach_stacktrace": False,
    "include_local_variables": False,
    "include_source_context": False,
    "enable_backpressure_handling": False,
    "enable_logs": False,
    "enable_metrics": False,
    "propagate_traces": False,
    "traces_sample_rate": None,
    "max_breadcrumbs": 0,
    "max_request_body_size": "never",
    "spotlight": False,
    "debug": False,
    "project_root": "",
}


class SentryClient:
    """Sends problems to the project of a DSN, which may turn. It blocks its thread, and one thread uses it."""

    def __init__(self, read_dsn: Callable[[], str], environment: str, clock: Clock) -> None:
        """Raise ValueError if the DSN is none."""
        self._read_dsn = read_dsn
        self._clock = clock
        self._paused_until = 0.0
        self._envelopes = _Envelopes()
        options = {**_OPTIONS, "environment": environment, "before_send": _only_ours, "transport": self._envelopes}
        known = {name: value for name, value in options.items() if name in DEFAULT_OPTIONS}
        self._client = Client(dsn=str(parse_dsn(read_dsn())), **known)

    def send(self, problem: Problem, left_out: int) -> None:
        """Send a problem, of whose kind `left_out` were not sent. Raises ProblemNotSent."""
        if self._clock.monotonic() < self._paused_until:
            raise ProblemNotSent("Sentry gets too many events; the next is sent in a minute")
        try:
            auth = parse_dsn(self._read_dsn()).to_auth(f"tidegate/{__version__}")
        except ValueError as error:
            raise ProblemNotSent(str(error)) from error
        self._client.capture_event(cast(Any, event_of(problem, left_out)))
        headers = {
            "content-type": "application/x-sentry-envelope",
            "user-agent": "Tidegate",
            "x-sentry-auth": auth.to_header(),
        }
        body = self._envelopes.take()
        try:
            answer = exchange("POST", auth.get_api_url(), headers, body, deadline_seconds=DEADLINE_SECONDS, max_bytes=0)
        except ExchangeFailed as error:
            raise ProblemNotSent(str(error)) from error
        if answer.status == _TOO_MANY:
            self._paused_until = self._clock.monotonic() + PAUSE_SECONDS
        if not answer.is_success:
            raise ProblemNotSent(f"Sentry answered with the status {answer.status}")


class _Envelopes(Transport):
    """Keeps the envelope that the SDK made."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[bytes] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self._made.append(envelope.serialize())

    def take(self) -> bytes:
        """Return the envelope. Raises ProblemNotSent if the SDK made none."""
        made, self._made = self._made, []
        if not made:
            raise ProblemNotSent("the SDK made no envelope")
        return made[-1]


def parse_dsn(text: str) -> Dsn:
    """Return the parts of a DSN. Raises ValueError, without the DSN."""
    try:
        return Dsn(text)
    except BadDsn:
        raise ValueError("The setting sentry.dsn is no DSN: copy it from the project's settings in Sentry") from None


def event_of(problem: Problem, left_out: int) -> dict[str, Any]:
    """Return the event in Sentry's shape."""
    event: dict[str, Any] = {
        "level": problem.level,
        "logger": "tidegate",
        "fingerprint": ["tidegate", *problem.fingerprint],
        "logentry": {"formatted": " ".join(text for text in (f"{problem.title}.", problem.remedy) if text)},
        "tags": {"tidegate.name": problem.name},
        "extra": {"not_sent_since_the_last": left_out},
    }
    if problem.errors:
        event["exception"] = {"values": [_exception(each) for each in problem.errors]}
    return event


def _exception(error: ErrorTrace) -> dict[str, Any]:
    frames = [
        {
            "module": frame.module,
            "filename": frame.module.replace(".", "/") + ".py",
            "function": frame.function,
            "lineno": frame.line,
            "in_app": frame.module.partition(".")[0] == "tidegate",
        }
        for frame in error.frames
    ]
    shown: dict[str, Any] = {"type": error.type, "module": error.module, "value": ""}
    return {**shown, "stacktrace": {"frames": frames}} if frames else shown


def _only_ours(event: Any, _: Any) -> Any:
    """Drop what the SDK added, such as the host's name."""
    return {key: value for key, value in event.items() if key in _SENT_KEYS}
