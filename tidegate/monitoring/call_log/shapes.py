"""The shapes of a call's line: plain JSON, CloudWatch's embedded metric format, Cloud Run's log entry, text for people.

Sources: "Specification: Embedded metric format" in the CloudWatch user guide, and "Structured logging" with the
reference of `LogEntry` and `HttpRequest` in the documentation of Cloud Logging. Pure.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from tidegate.core.config import LineShape
from tidegate.core.config.platform import CLOUD_RUN, ECS, Platform
from tidegate.monitoring.call_log.line import CallLine

Shaper = Callable[[CallLine], bytes]
"""Return a line with its end."""

_DIMENSIONS = [["service"], ["service", "class"], ["service", "route", "class"]]
"""Only names that are few: CloudWatch charges for each set of values, and callers choose models and projects."""
_METRICS = {
    "calls": "Count",
    "total_ms": "Milliseconds",
    "queue_ms": "Milliseconds",
    "upstream_ms": "Milliseconds",
    "gateway_ms": "Milliseconds",
    "input_tokens": "Count",
    "output_tokens": "Count",
    "cost_usd": "None",
}
_FIRST_CONTENT = {"first_content_ms": "Milliseconds"}
_encoder = msgspec.json.Encoder()


def detected_shape(platform: Platform | None, *, is_terminal: bool) -> LineShape:
    """Return the shape that the process's platform reads by itself, and text for a person at a terminal."""
    if platform is CLOUD_RUN:
        return "cloud_run"
    if platform is ECS:
        return "emf"
    return "text" if is_terminal else "plain"


def shaper(shape: LineShape, *, namespace: str, google_project: str | None) -> Shaper:
    """Return what gives lines a shape, which is not `auto`."""
    match shape:
        case "emf":
            return EmbeddedMetrics(namespace)
        case "cloud_run":
            return CloudRunEntry(google_project)
        case "text":
            return text
        case _:
            return plain


def plain(line: CallLine) -> bytes:
    """Return the line as one JSON object."""
    return _encoder.encode(line) + b"\n"


class EmbeddedMetrics:
    """CloudWatch's embedded metric format: the line as JSON, with `_aws`, by which CloudWatch makes metrics of it."""

    def __init__(self, namespace: str) -> None:
        self._heads = {
            streams: _encoder.encode(
                [{"Namespace": namespace, "Dimensions": _DIMENSIONS, "Metrics": _metrics(streams=streams)}]
            )
            for streams in (False, True)
        }

    def __call__(self, line: CallLine) -> bytes:
        """Return the line; the metrics' values are those of its members."""
        moment = round(datetime.fromisoformat(line.time).timestamp() * 1000)
        head = self._heads[line.first_content_ms is not None]
        members: dict[str, object] = {"service": "tidegate", "calls": 1 + line.repeats}
        for name in ("input_tokens", "output_tokens"):
            if not getattr(line, name):  # zero is left out of the line, but a metric needs its value
                members[name] = 0
        aws = b'{"_aws":{"Timestamp":%d,"CloudWatchMetrics":%s},' % (moment, head)
        rest = _encoder.encode(line)[1:-1]
        return aws + rest + b"," + _encoder.encode(members)[1:] + b"\n"


class CloudRunEntry:
    """Cloud Logging's structured entry: `severity`, `message`, `httpRequest` and the trace, then the line's members."""

    def __init__(self, google_project: str | None) -> None:
        """`google_project` is the project of the traces; None leaves traces out."""
        self._google_project = google_project

    def __call__(self, line: CallLine) -> bytes:
        """Return the line."""
        request = {
            "requestMethod": "POST",
            "requestUrl": f"/v1/{line.route}",
            "status": line.status,
            "latency": f"{line.total_ms / 1000:.3f}s",
        }
        special: dict[str, object] = {"httpRequest": request}
        if line.trace_id is not None and self._google_project is not None:
            special["logging.googleapis.com/trace"] = f"projects/{self._google_project}/traces/{line.trace_id}"
        return _encoder.encode(line)[:-1] + b"," + _encoder.encode(special)[1:] + b"\n"


def text(line: CallLine) -> bytes:
    """Return the line for a person at a terminal."""
    target = f"{line.provider}/{line.served_model}" if line.provider and line.served_model else line.provider or "-"
    parts = [
        line.time[11:19],
        f"{line.status}",
        line.call_class,
        line.route,
        line.model or "-",
        f"-> {target}",
        f"cache={line.cache}",
        f"{line.total_ms} ms (queue {line.queue_ms}, upstream {line.upstream_ms}, gateway {line.gateway_ms})",
        f"{line.input_tokens}+{line.output_tokens} tokens",
        f"${line.cost_usd:.6f}",
        f"{line.project or '-'} {line.request_id}",
    ]
    if line.error is not None:
        parts.append(f"{line.outcome}: {line.error}")
    if line.repeats:
        parts.append(f"and {line.repeats} more like this")
    return _printable("  ".join(parts)).encode() + b"\n"


def _metrics(*, streams: bool) -> list[dict[str, str]]:
    units = {**_METRICS, **(_FIRST_CONTENT if streams else {})}
    return [{"Name": name, "Unit": unit} for name, unit in units.items()]


def _printable(words: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in words)
