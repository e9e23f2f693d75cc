"""Records calls in the metrics of OpenTelemetry's conventions, with its own SDK."""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource

from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.money import NANOS
from tidegate.monitoring.metrics.model_names import ModelNames
from tidegate.monitoring.otlp import conventions
from tidegate.monitoring.otlp.conventions import Providers
from tidegate.monitoring.otlp.spans import SCOPE

_OPERATION_BUCKETS = [0.01 * 2**power for power in range(14)]
_TOKEN_BUCKETS = [4.0**power for power in range(14)]
_SERVER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120]


class GenAiInstruments:
    """The metrics of calls, summed since the start, so that a lost batch loses no count."""

    def __init__(self, resource: Resource, providers: Providers, models: ModelNames) -> None:
        """`models` bounds the names that are attributes."""
        self._providers = providers
        self._models = models
        self._reader = InMemoryMetricReader()
        meter = MeterProvider([self._reader], resource=resource, shutdown_on_exit=False).get_meter(SCOPE)
        self._server = meter.create_histogram(
            conventions.SERVER_DURATION,
            "s",
            "Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=_SERVER_BUCKETS,
        )
        self._operation = meter.create_histogram(
            conventions.OPERATION_DURATION,
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_OPERATION_BUCKETS,
        )
        self._first_chunk = meter.create_histogram(
            conventions.OPERATION_FIRST_CHUNK,
            "s",
            "Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_OPERATION_BUCKETS,
        )
        self._tokens = meter.create_histogram(
            conventions.TOKEN_USAGE,
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKEN_BUCKETS,
        )
        self._cost = meter.create_counter(conventions.COST, "{USD}", "What the calls cost.")

    def record(self, report: CallReport) -> None:
        """Record one call."""
        entry = report.entry
        self._server.record(report.total_ms / 1000, conventions.server_labels(report))
        if not conventions.was_sent(report):
            return
        model = self._models.label(entry.model, answered=report.call_class is CallClass.ANSWERED)
        labels = conventions.inference_labels(report, self._providers, model)
        self._operation.record(report.upstream_ms / 1000, labels)
        if report.first_content_ms is not None:
            self._first_chunk.record(conventions.first_chunk_seconds(report.first_content_ms, report), labels)
        for kind, tokens in (("input", entry.input_tokens), ("output", entry.output_tokens)):
            if tokens:
                self._tokens.record(tokens, labels | {conventions.TOKEN_TYPE: kind})
        self._cost.add(entry.cost_nanos / NANOS, labels)

    def read(self) -> MetricsData | None:
        """Return the metrics; None if no call was recorded."""
        return self._reader.get_metrics_data()
