"""Sends spans and metrics to a collector by OTLP over HTTP, with OpenTelemetry's own exporters.

Importing this module loads OpenTelemetry, which takes long: it is imported only where a collector is configured.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace.export import SpanExportResult

from tidegate import __version__
from tidegate.core.call_report import CallReport
from tidegate.monitoring.metrics.model_names import ModelNames
from tidegate.monitoring.otlp.conventions import Providers
from tidegate.monitoring.otlp.instruments import GenAiInstruments
from tidegate.monitoring.otlp.spans import SpanBuilder


class Collector(msgspec.Struct, frozen=True, kw_only=True):
    """Where the collector is, and what it gets."""

    endpoint: str
    headers: Mapping[str, str]
    traces: bool
    metrics: bool
    timeout_seconds: float
    service_name: str
    process: str
    """The name of this process, which is `service.instance.id`."""

    def __repr__(self) -> str:
        return f"<Collector of {self.service_name}>"  # address and headers may hold a password


class OtlpSender:
    """Sends calls to a collector. Used by one thread; each method may wait for the collector."""

    def __init__(self, collector: Collector, providers: Providers, models: ModelNames) -> None:
        """`models` bounds the model names that are attributes of metrics."""
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it logs each failed batch; the exporter once
        resource = Resource.create(
            {
                SERVICE_NAME: collector.service_name,
                SERVICE_VERSION: __version__,
                SERVICE_INSTANCE_ID: collector.process,
            }
        )
        self._collector = collector
        self._spans = SpanBuilder(resource, providers)
        self._instruments = GenAiInstruments(resource, providers, models)
        address = collector.endpoint.rstrip("/")
        timeout, headers, gzip = collector.timeout_seconds, dict(collector.headers), Compression.Gzip
        self._span_exporter = OTLPSpanExporter(
            f"{address}/v1/traces", headers=headers, timeout=timeout, compression=gzip, session=_Session()
        )
        self._metric_exporter = OTLPMetricExporter(
            f"{address}/v1/metrics", headers=headers, timeout=timeout, compression=gzip, session=_Session()
        )

    def send_calls(self, reports: Sequence[CallReport]) -> bool:
        """Record the calls and send their spans; return whether the collector took them."""
        if self._collector.metrics:
            for report in reports:
                self._instruments.record(report)
        spans = self._spans.spans(reports) if self._collector.traces else ()
        return not spans or self._span_exporter.export(spans) is SpanExportResult.SUCCESS

    def send_metrics(self) -> bool:
        """Send the metrics; return whether the collector took them."""
        figures = self._instruments.read() if self._collector.metrics else None
        return figures is None or self._metric_exporter.export(figures) is MetricExportResult.SUCCESS

    def stop(self) -> None:
        """End a wait between two tries, so that the present call returns; may be called by another thread."""
        self._span_exporter.shutdown()  # type: ignore[no-untyped-call]  # the library's
        self._metric_exporter.shutdown()


class _Session(requests.Session):
    """Reads no body, which could be endless: the exporters need the status only. Follows no redirect."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        answer = super().send(request, **kwargs | {"stream": True, "allow_redirects": False})
        head = requests.Response()
        head.status_code, head.reason, head.headers = answer.status_code, answer.reason, answer.headers
        if 300 <= answer.status_code < 400:
            head.status_code = 400  # the exporter takes a redirect for a success
        answer.close()
        return head
