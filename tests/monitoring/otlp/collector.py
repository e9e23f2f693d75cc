"""A collector for tests: an HTTP server that reads OTLP with the official protobuf messages, or misbehaves."""

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Value = str | int | float | bool


class Behaviour(Enum):
    """How the collector answers."""

    TAKES = "takes"
    HANGS = "hangs"
    REFUSES = "refuses"
    BUSY = "busy"
    """429, with a long `retry-after`."""
    REDIRECTS = "redirects"
    ENDLESS = "endless"
    """A body without an end."""


class StandInCollector:
    """What a collector received."""

    def __init__(self) -> None:
        self.behaviour = Behaviour.TAKES
        self.spans: list[Span] = []
        self.metrics: dict[str, Metric] = {}
        """The last figures of each metric."""
        self.resource: dict[str, Value] = {}
        self.headers: list[dict[str, str]] = []
        self.requests = 0
        self.released = threading.Event()
        self.endpoint = ""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Read one request; return the status."""
        self.headers.append(headers)
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(content)
            for resource_spans in traces.resource_spans:
                self.resource = attributes(resource_spans.resource.attributes)
                self.spans += [span for scope in resource_spans.scope_spans for span in scope.spans]
            return 200
        if path == "/v1/metrics":
            figures = ExportMetricsServiceRequest.FromString(content)
            for resource_metrics in figures.resource_metrics:
                for scope in resource_metrics.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope.metrics}
            return 200
        return 404


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """Return attributes as a dictionary."""
    found: dict[str, Value] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        assert kind is not None
        found[pair.key] = getattr(pair.value, kind)
    return found


class _Handler(BaseHTTPRequestHandler):
    """One connection to the collector."""

    collector: StandInCollector

    def do_POST(self) -> None:
        self.collector.requests += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        match self.collector.behaviour:
            case Behaviour.TAKES:
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._answer(self.collector.take(self.path, headers, body))
            case Behaviour.HANGS:
                self.collector.released.wait(60)
            case Behaviour.REFUSES:
                self._answer(400)
            case Behaviour.BUSY:
                self._answer(429, "retry-after: 3600")
            case Behaviour.REDIRECTS:
                self._answer(307, f"location: {self.collector.endpoint}/elsewhere")
            case Behaviour.ENDLESS:
                self._answer(200, "transfer-encoding: chunked")
                self._write_without_end()

    def _answer(self, status: int, header: str = "content-length: 0") -> None:
        name, _, value = header.partition(": ")
        self.send_response(status)
        self.send_header(name, value)
        self.end_headers()

    def _write_without_end(self) -> None:
        while not self.collector.released.is_set():
            self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Log nothing."""

    def handle(self) -> None:
        with suppress(OSError):  # the exporter has closed the connection
            super().handle()


@contextmanager
def running_collector() -> Iterator[StandInCollector]:
    """Run a collector on a free port."""
    collector = StandInCollector()
    handler = type("Handler", (_Handler,), {"collector": collector})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    collector.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        collector.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
