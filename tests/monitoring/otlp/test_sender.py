"""A collector that reads OTLP with the official messages gets spans and metrics by the GenAI conventions."""

import msgspec
import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # this wheel ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.monitoring.call_reports import REPORT, report
from tests.monitoring.otlp.collector import Behaviour, StandInCollector, attributes, running_collector
from tidegate.core.call_report import CallClass
from tidegate.monitoring.metrics.model_names import ModelNames
from tidegate.monitoring.otlp.conventions import Providers
from tidegate.monitoring.otlp.sender import Collector, OtlpSender

PROVIDERS = Providers({"openai": "openai", "east": "azure", "local": "openai_compatible"})
MODELS = {"gpt-4o-mini"}


def sender(collector: StandInCollector, *, timeout_seconds: float = 5.0) -> OtlpSender:
    address = Collector(
        endpoint=collector.endpoint,
        headers={"authorization": "Bearer hidden"},
        traces=True,
        metrics=True,
        timeout_seconds=timeout_seconds,
        service_name="gateway",
        process="p1",
    )
    assert "hidden" not in repr(address)
    return OtlpSender(address, PROVIDERS, ModelNames(MODELS, max_listed=0))


def test_a_call_has_a_span_at_the_gateway_and_one_upstream() -> None:
    with running_collector() as collector:
        assert sender(collector).send_calls([REPORT])
    server, upstream = collector.spans
    assert server.name == "POST /v1/chat/completions"
    assert server.kind == Span.SPAN_KIND_SERVER
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00f067aa0ba902b7",
    )
    assert (server.span_id.hex(), upstream.parent_span_id.hex(), upstream.span_id.hex()) == (
        "1" * 16,
        "1" * 16,
        "2" * 16,
    )
    assert server.start_time_unix_nano == 1_790_000_000 * 10**9
    assert server.end_time_unix_nano - server.start_time_unix_nano == 2500 * 10**6
    assert upstream.end_time_unix_nano - upstream.start_time_unix_nano == 2390 * 10**6
    assert upstream.name == "chat gpt-4o-mini"
    assert upstream.kind == Span.SPAN_KIND_CLIENT
    assert attributes(upstream.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.time_to_first_chunk": 0.3,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "tidegate.credential": "default",
    }
    shown = attributes(server.attributes)
    assert (shown["http.response.status_code"], shown["tidegate.project"]) == (200, "shop")
    assert collector.resource["service.name"] == "gateway"
    assert collector.headers[0]["authorization"] == "Bearer hidden"


def test_the_parser_refuses_a_planted_error() -> None:
    with running_collector() as collector, pytest.raises(DecodeError):
        collector.take("/v1/traces", {}, b"\x0a\x05wrong")
    assert ExportTraceServiceRequest.FromString(b"") == ExportTraceServiceRequest()


def test_a_failed_call_is_an_error_and_a_refused_one_is_not() -> None:
    failed = report(call_class=CallClass.FAILED, outcome="server_error")
    refused = report(call_class=CallClass.REFUSED, outcome="rate_limited")
    with running_collector() as collector:
        sender(collector).send_calls([failed, refused])
    by_type = {attributes(span.attributes)["error.type"]: span.status.code for span in collector.spans}
    assert by_type == {"server_error": Status.STATUS_CODE_ERROR, "rate_limited": Status.STATUS_CODE_UNSET}


def test_calls_that_are_not_sampled_or_were_not_sent_have_fewer_spans() -> None:
    assert REPORT.trace is not None
    unsampled = msgspec.structs.replace(REPORT, trace=msgspec.structs.replace(REPORT.trace, is_sampled=False))
    hit = msgspec.structs.replace(REPORT, entry=msgspec.structs.replace(REPORT.entry, attempts=0, cache="hit"))
    with running_collector() as collector:
        assert sender(collector).send_calls([unsampled, msgspec.structs.replace(REPORT, trace=None)])
        assert collector.requests == 0
        assert sender(collector).send_calls([hit])
    assert [span.name for span in collector.spans] == ["POST /v1/chat/completions"]


def test_metrics_have_the_conventions_names_and_bounded_models() -> None:
    with running_collector() as collector:
        otlp = sender(collector)
        otlp.send_calls([REPORT, report(model="invented"), report(model="invented too")])
        assert otlp.send_metrics()
        assert otlp.send_metrics()
    assert set(collector.metrics) == {
        "http.server.request.duration",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
        "tidegate.cost",
    }
    duration = collector.metrics["gen_ai.client.operation.duration"].histogram
    by_model = {attributes(point.attributes)["gen_ai.request.model"]: point for point in duration.data_points}
    assert {model: point.count for model, point in by_model.items()} == {"gpt-4o-mini": 1, "other": 2}
    assert by_model["gpt-4o-mini"].sum == pytest.approx(2.39)
    tokens = collector.metrics["gen_ai.client.token.usage"].histogram.data_points
    by_type = {
        (attributes(point.attributes)["gen_ai.request.model"], attributes(point.attributes)["gen_ai.token.type"]): point
        for point in tokens
    }
    assert by_type["gpt-4o-mini", "input"].sum == 100
    assert by_type["other", "output"].sum == 60


@pytest.mark.parametrize(
    "behaviour", [Behaviour.REFUSES, Behaviour.BUSY, Behaviour.REDIRECTS, Behaviour.HANGS, Behaviour.ENDLESS]
)
def test_a_collector_that_misbehaves_is_given_up_in_time(behaviour: Behaviour) -> None:
    with running_collector() as collector:
        collector.behaviour = behaviour
        otlp = sender(collector, timeout_seconds=0.5)
        taken = otlp.send_calls([REPORT])
        assert taken == (behaviour is Behaviour.ENDLESS)  # its status is good, and its body is not read
        assert collector.requests <= 2
        collector.behaviour = Behaviour.TAKES
        assert otlp.send_calls([REPORT])
    assert len(collector.spans) == 2


def test_a_collector_that_is_away_takes_nothing() -> None:
    with running_collector() as collector:
        otlp = sender(collector, timeout_seconds=0.5)
    assert not otlp.send_calls([REPORT])
    assert not otlp.send_metrics()
    otlp.stop()
