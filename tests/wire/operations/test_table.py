"""The table finds an operation by its method and path, and takes no path that could lead elsewhere."""

from collections import Counter
from pathlib import Path

import pytest

from tidegate.core import endpoints
from tidegate.wire.operations import table
from tidegate.wire.operations.operation import BodyKind, ChargeBasis, Operation
from tidegate.wire.operations.refused import refusal_of

PUBLISHED = (Path(__file__).parent / "published.txt").read_text().splitlines()
"""Each method and path of OpenAI's published API (version 2.3.0 of its description)."""
SERVED = ("/v1/chat/", "/v1/responses", "/v1/conversations", "/v1/models", *endpoints.BY_PATH)
"""Where paths begin that other parts of the gateway serve."""


@pytest.mark.parametrize(
    ("method", "path", "label", "parameters"),
    [
        ("POST", "/v1/files", "files.create", {}),
        ("GET", "/v1/files", "files.list", {}),
        ("GET", "/v1/files/file-1", "files.retrieve", {"file_id": "file-1"}),
        ("GET", "/v1/files/file-1/content", "files.content", {"file_id": "file-1"}),
        ("POST", "/v1/uploads/upload_1/parts", "uploads.parts.create", {"upload_id": "upload_1"}),
        ("POST", "/v1/batches/batch_1/cancel", "batches.cancel", {"batch_id": "batch_1"}),
    ],
)
def test_a_path_is_found_with_its_parameters(method: str, path: str, label: str, parameters: dict[str, str]) -> None:
    match = table.find(method, path)
    assert match is not None
    assert (match.operation.label, match.parameters) == (label, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/files"),
        ("GET", "/v1/files/"),
        ("GET", "/v1//files"),
        ("GET", "/v1/files/.."),
        ("GET", "/v1/files/../content"),
        ("GET", "/v1/files/."),
        ("GET", "/v1/files/a b"),
        ("GET", "/v1/files/a\r\nx: y"),
        ("GET", "/v1/files/a?b"),
        ("GET", "/v1/files/a%2Fb"),
        ("GET", "/v1/files/" + "a" * 300),
        ("GET", "/v1/files/file-1/content/more"),
        ("GET", "/files"),
        ("GET", ""),
    ],
)
def test_another_path_is_not_found(method: str, path: str) -> None:
    assert table.find(method, path) is None


def test_the_methods_of_a_path_are_known() -> None:
    assert table.methods_of("/v1/files/file-1") == ("DELETE", "GET")
    assert table.methods_of("/v1/unheard-of") == ()


@pytest.mark.parametrize("operation", table.ALL, ids=lambda each: each.label)
def test_each_entry_is_sound(operation: Operation) -> None:
    parameters = [segment[1:-1] for segment in operation.path.split("/") if segment.startswith("{")]
    assert set(operation.of) <= set(parameters)
    assert operation.deletes is None or operation.deletes in operation.of.values()
    assert operation.path not in endpoints.BY_PATH
    match = table.find(operation.method, operation.path.replace("{", "a").replace("}", "b"))
    assert match is not None
    assert match.operation is operation


def test_no_label_and_no_path_stands_twice() -> None:
    labels = Counter(each.label for each in table.ALL)
    places = Counter((each.method, each.path) for each in table.ALL)
    assert [name for name, count in (labels | places).items() if count > 1] == []


@pytest.mark.parametrize("line", PUBLISHED)
def test_each_published_operation_is_carried_or_refused_with_a_reason(line: str) -> None:
    method, path = line.split()
    filled = path.replace("{", "a").replace("}", "b")
    match = table.find(method, filled)
    ways = [match is not None, path.startswith(SERVED), refusal_of(filled) is not None]
    assert ways.count(True) == 1
    if match is not None:
        assert match.operation.path == path


OF_THE_SDKS = {"DELETE /v1/audio/voices/{voice_id}", "POST /v1/evals/{eval_id}/runs/{run_id}/cancel"}
"""Operations that the official SDKs call, and the published description lacks."""


def test_the_table_has_nothing_that_neither_the_description_nor_an_sdk_has() -> None:
    assert {f"{each.method} {each.path}" for each in table.ALL} - set(PUBLISHED) == OF_THE_SDKS


@pytest.mark.parametrize("operation", table.ALL, ids=lambda each: each.label)
def test_what_costs_is_posted_and_what_is_read_has_no_body(operation: Operation) -> None:
    assert (operation.body is BodyKind.NONE) is (operation.method != "POST")
    assert operation.charge is ChargeBasis.FREE or operation.method == "POST"


@pytest.mark.parametrize("path", ["/v1/organizations", "/v1/project", "/v1/threadsome", "/v2/threads"])
def test_only_whole_segments_are_refused(path: str) -> None:
    assert refusal_of(path) is None


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/v1/something/new", True),
        ("/v1/chat/something", False),
        ("/v1/v1/files", False),
        ("/v1/organization/costs", False),
        ("/v1/files/a/content", False),
        ("/v1/a/../b", False),
        ("/v1/a//b", False),
        ("/v1/", False),
        ("/v2/something", False),
        ("/admin/keys", False),
    ],
)
def test_an_unknown_operation_is_below_v1_and_leads_nowhere_else(path: str, is_one: bool) -> None:  # a row
    found = table.unknown("POST", path, path.encode())
    assert (found is not None) is is_one


def test_the_guide_names_each_group() -> None:
    guide = (Path(__file__).parents[3] / "docs/guides/passthrough.md").read_text()
    groups = {f"`{'.'.join(each.label.split('.')[: 2 if each.group == 'audio' else 1])}.*`" for each in table.ALL}
    assert [group for group in sorted(groups) if group not in guide] == []
