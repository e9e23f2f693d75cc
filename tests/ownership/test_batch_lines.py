"""Each line of a batch's file is a request: its address and its model are found, however it is cut and written."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import BatchLineRefused
from tidegate.ownership import batch_lines
from tidegate.ownership.batch_lines import BatchFileLine, BatchFileLines, check_line

CHAT = "/v1/chat/completions"
ALL: frozenset[str] = frozenset()


def line(model: str = "gpt-4o-mini", url: str = CHAT) -> bytes:
    """Return a line of a batch's file."""
    return json.dumps({"custom_id": "1", "method": "POST", "url": url, "body": {"model": model}}).encode()


def read(data: bytes, cuts: tuple[int, ...] = ()) -> list[BatchFileLine]:
    """Return the lines of a file that comes in pieces."""
    reader = BatchFileLines()
    found: list[BatchFileLine] = []
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        found += reader.feed(data[begin:end])
    return [*found, *reader.end()]


@given(
    cuts=st.lists(st.integers(0, 300), max_size=6),
    separator=st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    ends=st.booleans(),
)
def test_lines_are_the_same_however_they_come(cuts: list[int], separator: bytes, *, ends: bool) -> None:
    data = separator.join([line("a"), line("b"), line("c")]) + (b"\n" if ends else b"")
    found = read(data, tuple(cut for cut in cuts if cut <= len(data)))
    assert [(each.urls, each.models) for each in found] == [((CHAT,), (model,)) for model in "abc"]
    assert found[0].number == 1


@pytest.mark.parametrize(
    ("text", "models", "urls"),
    [
        (b'{"url":"/v1/a","body":{"model":"x","model":"y"}}', ("x", "y"), ("/v1/a",)),
        (b'{"url":"/v1/a","url":"/v1/b","body":{"model":"x"},"body":{"model":"y"}}', ("x", "y"), ("/v1/a", "/v1/b")),
        (b'{"\\u0075rl":"/v1/a","body":{"\\u006dodel":"x"}}', ("x",), ("/v1/a",)),
        (b'{"url":"/v1/a","body":{"input":{"model":"z"}}}', (), ("/v1/a",)),
    ],
)
def test_no_way_of_writing_hides_a_model(text: bytes, models: tuple[str, ...], urls: tuple[str, ...]) -> None:
    (found,) = read(text)
    assert (found.models, found.urls) == (models, urls)


@pytest.mark.parametrize(
    "text",
    [
        b"not JSON",
        b"[]",
        b'"text"',
        b'{"body": []}',
        b'{"body": {"model": 7}}',
        b'{"url": null, "body": {}}',
        b"\xff",
        line().decode().encode("utf-16"),
        b"[" * 100_000,
    ],
)
def test_what_is_no_request_is_refused_with_its_number(text: bytes) -> None:
    with pytest.raises(BatchLineRefused, match="line 2 of its file"):
        read(line() + b"\n" + text)


@pytest.mark.parametrize(
    ("model", "url", "allowed", "reason"),
    [
        ("gpt-4o-mini", CHAT, (ALL, ALL), ""),
        ("gpt-4o-mini", CHAT, (ALL, frozenset({"gpt-4o-mini"})), ""),
        ("gpt-5", CHAT, (ALL, frozenset({"gpt-4o-mini"})), "the model `gpt-5`"),
        ("gpt-5", CHAT, (frozenset({"gpt-4o-mini"}), ALL), "the model `gpt-5`"),
        ("gpt-4o-mini", "/v1/embeddings", (ALL, ALL), "/v1/embeddings"),
    ],
)
def test_the_table(model: str, url: str, allowed: tuple[frozenset[str], ...], reason: str) -> None:
    (found,) = read(line(model, url))
    if not reason:
        check_line(found, endpoints=(CHAT,), allowed=allowed)
    else:
        with pytest.raises(BatchLineRefused, match=reason):
            check_line(found, endpoints=(CHAT,), allowed=allowed)


def test_a_line_without_a_model_or_an_address_is_refused_where_they_matter() -> None:
    (found,) = read(b'{"body": {}}')
    with pytest.raises(BatchLineRefused, match="url"):
        check_line(found, endpoints=(CHAT,), allowed=(ALL,))
    (found,) = read(b'{"url": "/v1/chat/completions", "body": {}}')
    check_line(found, endpoints=(CHAT,), allowed=(ALL,))
    with pytest.raises(BatchLineRefused, match="the model ``"):
        check_line(found, endpoints=(CHAT,), allowed=(frozenset({"a"}),))


def test_size_and_number_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_lines, "MAX_LINES", 2)
    with pytest.raises(BatchLineRefused, match="more than 2 lines"):
        read(line() + b"\n" + line() + b"\n" + line())
    monkeypatch.setattr(batch_lines, "MAX_LINE_BYTES", 200)
    with pytest.raises(BatchLineRefused, match="200 bytes"):
        read(line("m" * 300))
    monkeypatch.setattr(batch_lines, "MAX_FILE_BYTES", 100)
    with pytest.raises(BatchLineRefused, match="100 bytes"):
        read(line() + b"\n" + line())
