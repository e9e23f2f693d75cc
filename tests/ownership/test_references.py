"""Every id that a request names is found, wherever it stands and however it is written, and texts are left alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import BodyNotJson, TooManyObjects
from tidegate.ownership.id_shapes import FREE_KEYS, HOLDERS, KEYS, PREFIXES, TEXT_KEYS
from tidegate.ownership.references import (
    MAX_DEPTH,
    MAX_REFERENCES,
    MAY_NAME,
    body_references,
    bounded,
    field_references,
    path_references,
)
from tidegate.wire.operations.operation import MatchedOperation, ObjectKind, Operation

FILE = "file-BK7bzQj3FfZFXr7DbL6xJwfo"
STORE = "vs_67f1a2b3c4d5e6f7"


def ids(body: bytes) -> list[str]:
    """Return the ids that a body names."""
    return [reference.id for reference in body_references(body)]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"input_file_id": FILE}, [FILE]),
        ({"training_file": "x", "validation_file": "y"}, ["x", "y"]),
        ({"tools": [{"type": "file_search", "vector_store_ids": [STORE, "other"]}]}, [STORE, "other"]),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": [FILE]}}]}, [FILE]),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, ["cntr_1"]),
        ({"messages": [{"content": [{"type": "file", "file": {"file_id": FILE}}]}]}, [FILE]),
        ({"model": "ft:gpt-4o:acme::b1"}, ["ft:gpt-4o:acme::b1"]),
        ({"data_source": {"source": {"type": "file_id", "id": FILE}}}, [FILE]),
        ({"video": {"id": "17"}}, ["17"]),
        ({"characters": [{"id": "17"}]}, ["17"]),
        ({"voice": {"id": "voice_1a2b3c"}}, ["voice_1a2b3c"]),
        ({"unheard_of": [[{"deep": [STORE]}]]}, [STORE]),
        ({"file_id": FILE, "tools": [{"file_id": FILE}]}, [FILE]),
        ({"metadata": {"file_id": FILE, "deep": {"x": STORE}}}, []),
        ({"input": FILE}, []),
        ({"input": [FILE, STORE]}, []),
        ({"messages": [{"role": "user", "content": FILE}]}, []),
        ({"file_id": None, "container": {"type": "auto"}}, []),
        ({"model": "gpt-4o", "voice": "alloy", "type": "file_search"}, []),
        ([{"file_id": FILE}], [FILE]),
    ],
)
def test_ids_are_found_and_texts_are_not(body: Any, found: list[str]) -> None:
    assert ids(json.dumps(body).encode()) == found


@pytest.mark.parametrize(
    "body",
    [
        b'{"file_id": "file-mine1", "file_id": "file-other1"}',
        b'{"tools": [], "x": {"file_id": "file-mine1"}, "x": {"file_id": "file-other1"}}',
        b'{"f\\u0069le_id": "\\u0066ile-mine1", "y": "file\\u002dother1"}',
        b'{"\\u0066\\u0069\\u006c\\u0065\\u005f\\u0069\\u0064": "file-mine1", "file_ids": ["file-other1"]}',
    ],
)
def test_no_way_of_writing_hides_an_id(body: bytes) -> None:
    assert sorted(ids(body)) == ["file-mine1", "file-other1"]


def test_a_mark_at_the_begin_hides_nothing() -> None:
    assert ids(b"\xef\xbb\xbf" + b'{"file_id": "file-a1"}') == ["file-a1"]


def test_an_escape_alone_is_searched_for_too() -> None:
    assert ids(b'{"x": "\\u0066ile-mine1"}') == ["file-mine1"]
    assert ids(b'{"x": "vs\\u005fmine1"}') == ["vs_mine1"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"file_id": "file-a1"',
        b'{"file_id": "file-\xff"}',
        '{"file_id": "file-a1"}'.encode("utf-16"),
        b'{"file_id": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_cannot_be_searched_is_not_sent(body: bytes) -> None:
    with pytest.raises(BodyNotJson):
        body_references(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"file_id": ' + b"[" * 100_000,
        b'{"file_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"file_id": ' + b"[" * (MAX_DEPTH + 2) + b'"file-a1"' + b"]" * (MAX_DEPTH + 2) + b"}",
        json.dumps({"file_ids": [f"file-{n}" for n in range(MAX_REFERENCES + 1)]}).encode(),
    ],
)
def test_depth_and_number_are_bounded(body: bytes) -> None:
    with pytest.raises((BodyNotJson, TooManyObjects)):
        body_references(body)


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.text(max_size=8))
JSON = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=12,
)
PLAIN_KEYS = st.text(max_size=12).filter(lambda key: key not in TEXT_KEYS | FREE_KEYS)
STEPS = st.lists(st.one_of(PLAIN_KEYS, st.none()), min_size=1, max_size=12)


def written(document: Any, *, ascii_only: bool, spaced: bool) -> bytes:
    """Return a document as JSON, as some client may write it."""
    separators = (" ,\n", " :\t") if spaced else (",", ":")
    return json.dumps(document, ensure_ascii=ascii_only, separators=separators).encode(errors="replace")


@given(STEPS, JSON, st.sampled_from([FILE, STORE, "cntr_1a2b3c", "ft:gpt-4o:a::b"]), st.booleans(), st.booleans())
def test_an_id_is_found_at_any_depth(
    steps: list[str | None], sibling: Any, wanted: str, ascii_only: bool, spaced: bool
) -> None:
    document: Any = {"some": wanted}
    for step in steps:
        document = [sibling, document] if step is None else {"sibling": sibling, step: document}
    assert wanted in ids(written(document, ascii_only=ascii_only, spaced=spaced))


@given(st.sampled_from(sorted(KEYS)), st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text))
def test_what_stands_under_a_known_key_is_a_name_whatever_its_shape(key: str, value: str) -> None:
    body = json.dumps({"deep": [{key: value}]}).encode()
    assert MAY_NAME.search(body) is not None
    assert value.startswith("cfile_") or value in ids(body)


@pytest.mark.parametrize("prefix", [*PREFIXES, "ft:gpt-4o:acme::"])
@pytest.mark.parametrize("sign", ["-", "_"])
def test_each_kind_of_id_is_seen_in_the_bytes(prefix: str, sign: str) -> None:
    object_id = f"{prefix}{sign}1a2b3c4d"
    assert ids(json.dumps({"anything": object_id}).encode()) == [object_id]


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_holds_an_id_is_seen_in_the_bytes(holder: str) -> None:
    assert ids(json.dumps({holder: {"id": "seventeen"}}).encode()) == ["seventeen"]


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.data())
def test_each_escape_of_a_character_of_an_id_is_seen(text: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(FILE) - 1))
    form = data.draw(st.sampled_from(["{:04x}", "{:04X}"]))
    escaped = FILE[:position] + "\\u" + form.format(ord(FILE[position])) + FILE[position + 1 :]
    assert FILE in ids(b'{"k": ' + json.dumps(text).encode() + b', "x": "' + escaped.encode() + b'"}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}],"stream":true}',
        '{"model":"gpt-4o","input":"Grüße \\u003cb\\u003e \\u00e9 \\u2026 my file is fine"}'.encode(),
        b'{"model":"gpt-4o","tools":[{"type":"function","function":{"name":"find","parameters":{"type":"object"}}}]}',
    ],
)
def test_a_usual_call_is_not_searched(body: bytes) -> None:
    assert MAY_NAME.search(body) is None
    assert body_references(body) == ()


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([("file_id", FILE)], [FILE]),
        ([("file_ids[]", "a"), ("file_ids[]", "b")], ["a", "b"]),
        ([("tools[0][file_id]", "a")], ["a"]),
        ([("input_reference", json.dumps({"file_id": "a"}))], ["a"]),
        ([("video", json.dumps({"id": "a"}))], ["a"]),
        ([("video[id]", "a")], ["a"]),
        ([("model", "ft:gpt-4o:a::b1"), ("purpose", FILE)], ["ft:gpt-4o:a::b1"]),
        ([("metadata[file_id]", FILE), ("prompt", FILE), ("language", "de")], []),
        ([("note", "[not JSON")], []),
    ],
)
def test_fields_of_a_form_name_objects_too(fields: list[tuple[str, str]], found: list[str]) -> None:
    assert [reference.id for reference in bounded(field_references(fields))] == found


@pytest.mark.parametrize(
    ("of", "value", "found"),
    [
        ({"file_id": ObjectKind.FILE}, "anything", ["anything"]),
        ({"model": ObjectKind.MODEL}, "gpt-4o", []),
        ({"model": ObjectKind.MODEL}, "ft:gpt-4o:a::b", ["ft:gpt-4o:a::b"]),
        ({}, FILE, []),
    ],
)
def test_paths_name_objects_by_the_table(of: dict[str, ObjectKind], value: str, found: list[str]) -> None:
    operation = Operation(label="x.y", method="GET", path="/v1/x/{it}", of=of)
    match = MatchedOperation(operation, dict.fromkeys(of, value))
    assert [(one.id, one.param) for one in path_references(match)] == [(each, next(iter(of))) for each in found]
