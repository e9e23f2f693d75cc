"""Each platform's own rules accept the lines made for it, and refuse each planted error."""

from typing import Any

import msgspec
import pytest

from tests.monitoring.call_log import cloud_run, emf
from tests.observed_calls import report_of
from tidegate.core.config.platform import CLOUD_RUN, DOCKER, ECS, Platform
from tidegate.monitoring.call_log.line import line_of
from tidegate.monitoring.call_log.shapes import detected_shape, shaper

TRACE = "0af7651916cd43dd8448eb211c80319c"
REPORTS = {
    "answered": report_of(cost_nanos=7_000, input_tokens=12, output_tokens=3, trace_id=TRACE),
    "stream": report_of(stream=True, first_content_ms=240, first_byte_ms=230),
    "failed": report_of(outcome="server_error", error_text="The server had an error", tags={"team": "blue"}),
    "unknown key": report_of(outcome="invalid_api_key", project="", key_id="", model="", provider=None, status=401),
}


def document_of(shape: Any, name: str) -> dict[str, Any]:
    data = shaper(shape, namespace="Tidegate", google_project="my-project")(line_of(REPORTS[name]))
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    document: dict[str, Any] = msgspec.json.decode(data)
    return document


@pytest.mark.parametrize("name", REPORTS)
def test_each_platform_reads_its_lines(name: str) -> None:
    assert emf.complaints(document_of("emf", name)) == []
    assert cloud_run.complaints(document_of("cloud_run", name)) == []
    assert document_of("plain", name)["request_id"] == "req_1"


def _without(document: dict[str, Any], name: str) -> None:
    del document[name]


PLANTED_EMF: dict[str, Any] = {
    "no metric of a name": lambda d: _without(d, "total_ms"),
    "a text as a metric": lambda d: d.update(cost_usd="0.1"),
    "a dimension that is no text": lambda d: d.update(route=1),
    "no dimension": lambda d: d["_aws"]["CloudWatchMetrics"][0].update(Dimensions=[]),
    "seconds as the moment": lambda d: d["_aws"].update(Timestamp=1_790_000_000),
    "an unknown unit": lambda d: d["_aws"]["CloudWatchMetrics"][0]["Metrics"][0].update(Unit="Dollars"),
    "a further member": lambda d: d["_aws"].update(LogGroup="x"),
}


@pytest.mark.parametrize("planted", PLANTED_EMF)
def test_a_planted_error_is_found_in_metrics(planted: str) -> None:
    document = document_of("emf", "stream")
    PLANTED_EMF[planted](document)
    assert emf.complaints(document) != []


PLANTED_CLOUD_RUN: dict[str, Any] = {
    "an unknown severity": lambda d: d.update(severity="BAD"),
    "no message": lambda d: _without(d, "message"),
    "a status that is a text": lambda d: d["httpRequest"].update(status="200"),
    "a latency in milliseconds": lambda d: d["httpRequest"].update(latency="812ms"),
    "an unknown field of the request": lambda d: d["httpRequest"].update(path="/v1"),
    "a trace without its project": lambda d: d.update({"logging.googleapis.com/trace": TRACE}),
    "an unknown special field": lambda d: d.update({"logging.googleapis.com/traces": "x"}),
}


@pytest.mark.parametrize("planted", PLANTED_CLOUD_RUN)
def test_a_planted_error_is_found_in_entries(planted: str) -> None:
    document = document_of("cloud_run", "answered")
    PLANTED_CLOUD_RUN[planted](document)
    assert cloud_run.complaints(document) != []


def test_cloud_run_shows_the_line_with_its_trace() -> None:
    document = document_of("cloud_run", "answered")
    assert document["logging.googleapis.com/trace"] == f"projects/my-project/traces/{TRACE}"
    assert document["httpRequest"]["latency"] == "0.812s"
    assert document_of("cloud_run", "failed")["severity"] == "ERROR"


def test_a_person_reads_what_went_wrong() -> None:
    line = shaper("text", namespace="", google_project=None)(line_of(REPORTS["failed"])).decode()
    for part in ("500", "failed", "openai/gpt-4o-mini-2024-07-18", "812 ms", "server_error: The server had an error"):
        assert part in line


@pytest.mark.parametrize(
    ("platform", "is_terminal", "shape"),
    [
        (CLOUD_RUN, False, "cloud_run"),
        (ECS, False, "emf"),
        (DOCKER, False, "plain"),
        (None, False, "plain"),
        (None, True, "text"),
    ],
)
def test_the_shape_is_that_of_the_platform(platform: Platform | None, is_terminal: bool, shape: str) -> None:
    assert detected_shape(platform, is_terminal=is_terminal) == shape
