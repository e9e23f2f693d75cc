"""The names of OpenTelemetry's semantic conventions, and the attributes of a call by them. Pure.

Source: the GenAI and HTTP conventions of opentelemetry-semantic-conventions 0.66b2 (docs/decisions/0084).
"""

from collections.abc import Mapping

from tidegate.core import endpoints
from tidegate.core.call_report import CallClass, CallReport

OPERATION, PROVIDER = "gen_ai.operation.name", "gen_ai.provider.name"
REQUEST_MODEL, RESPONSE_MODEL = "gen_ai.request.model", "gen_ai.response.model"
REQUEST_STREAM, TIME_TO_FIRST_CHUNK = "gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # a type of tokens
ERROR_TYPE = "error.type"
HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS = "http.request.method", "http.route", "http.response.status_code"
OPERATION_DURATION = "gen_ai.client.operation.duration"
OPERATION_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105  # a count of tokens
SERVER_DURATION = "http.server.request.duration"
COST = "tidegate.cost"

_OPERATIONS = {"chat": "chat", "responses": "chat", "completions": "text_completion", "embeddings": "embeddings"}
"""The conventions' name of what each endpoint does; others have their label."""
_PROVIDERS = {"openai": "openai", "azure": "azure.ai.openai"}
"""The conventions' name of each kind of provider; others have their configured name."""
_PATHS = {endpoint.label: endpoint.path for endpoint in endpoints.BY_PATH.values()}
_MAX_CHARACTERS = 256

Value = str | int | float | bool
Attributes = dict[str, Value]


class Providers:
    """The conventions' names of the configured providers."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        """`kinds` are the providers' kinds by their configured names."""
        self._names = {name: _PROVIDERS.get(kind, name) for name, kind in kinds.items()}

    def name(self, provider: str | None) -> str:
        """Return the conventions' name of a provider."""
        return self._names.get(provider or "", provider or "_OTHER")


def operation_of(report: CallReport) -> str:
    """Return the conventions' name of what was asked for."""
    return _OPERATIONS.get(report.entry.route, report.entry.route)


def server_name(report: CallReport) -> str:
    """Return the name of the span of the call at the gateway."""
    return f"POST {_path_of(report)}"


def server_attributes(report: CallReport) -> Attributes:
    """Return the attributes of the span of the call at the gateway."""
    entry = report.entry
    attributes: Attributes = {
        HTTP_METHOD: "POST",
        HTTP_ROUTE: _path_of(report),
        HTTP_STATUS: report.status,
        "tidegate.request.id": entry.id,
        "tidegate.project": entry.project,
        "tidegate.key.id": entry.key_id,
        "tidegate.outcome": report.call_class.value,
        "tidegate.cache": entry.cache,
        "tidegate.attempts": entry.attempts,
        "tidegate.queue.seconds": report.queue_ms / 1000,
        "tidegate.gateway.seconds": report.gateway_ms / 1000,
        "tidegate.cost.usd": entry.cost_nanos / 1_000_000_000,
    }
    if entry.fallback_step is not None:
        attributes["tidegate.fallback_step"] = entry.fallback_step
    return attributes | _error(report)


def inference_name(report: CallReport) -> str:
    """Return the name of the span of the upstream call."""
    return f"{operation_of(report)} {report.entry.model[:_MAX_CHARACTERS]}"


def inference_attributes(report: CallReport, providers: Providers) -> Attributes:
    """Return the attributes of the span of the upstream call."""
    entry = report.entry
    attributes: Attributes = {
        OPERATION: operation_of(report),
        PROVIDER: providers.name(entry.provider),
        REQUEST_MODEL: entry.model[:_MAX_CHARACTERS],
        REQUEST_STREAM: entry.stream,
        INPUT_TOKENS: entry.input_tokens,
        OUTPUT_TOKENS: entry.output_tokens,
        CACHE_READ_TOKENS: entry.cached_tokens,
        CACHE_WRITE_TOKENS: entry.cache_write_tokens,
        REASONING_TOKENS: entry.reasoning_tokens,
    }
    if entry.served_model is not None:
        attributes[RESPONSE_MODEL] = entry.served_model[:_MAX_CHARACTERS]
    if report.first_content_ms is not None:
        attributes[TIME_TO_FIRST_CHUNK] = first_chunk_seconds(report.first_content_ms, report)
    if entry.upstream_request_id is not None:
        attributes["tidegate.upstream.request.id"] = entry.upstream_request_id[:_MAX_CHARACTERS]
    if report.credential is not None:
        attributes["tidegate.credential"] = report.credential
    return attributes | _error(report)


def inference_labels(report: CallReport, providers: Providers, model: str) -> Attributes:
    """Return the attributes of the metrics of the upstream call; `model` is a bounded label."""
    labels: Attributes = {
        OPERATION: operation_of(report),
        PROVIDER: providers.name(report.entry.provider),
        REQUEST_MODEL: model,
    }
    return labels | _error(report)


def server_labels(report: CallReport) -> Attributes:
    """Return the attributes of the metric of the call at the gateway."""
    labels: Attributes = {HTTP_METHOD: "POST", HTTP_ROUTE: _path_of(report), HTTP_STATUS: report.status}
    return labels | _error(report)


def first_chunk_seconds(first_content_ms: int, report: CallReport) -> float:
    """Return the seconds from the upstream call to its first content, without the wait in the queue."""
    return max(first_content_ms - report.queue_ms, 0) / 1000


def was_sent(report: CallReport) -> bool:
    """Return whether the call was sent upstream."""
    return report.entry.attempts > 0


def has_failed(report: CallReport) -> bool:
    """Return whether the upstream or the gateway failed; mistakes of the caller are no error of a server."""
    return report.call_class is CallClass.FAILED


def _error(report: CallReport) -> Attributes:
    return {} if report.entry.outcome == "ok" else {ERROR_TYPE: report.entry.outcome}


def _path_of(report: CallReport) -> str:
    return _PATHS.get(report.entry.route, report.entry.route)
