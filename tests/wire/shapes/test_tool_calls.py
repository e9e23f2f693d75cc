"""Each piece of a tool call joins its own call, however the provider numbers, names and repeats it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.wire.shapes.tool_calls import ToolCalls

Json = dict[str, Any]


def piece(index: int | None = 0, arguments: str | None = None, **fields: Any) -> Json:
    """Return a piece: `id` and `name` are left out unless they are given."""
    function = {} if arguments is None else {"arguments": arguments}
    if "name" in fields:
        function["name"] = fields.pop("name")
    numbered = {} if index is None else {"index": index}
    return {**numbered, **fields, "function": function}


def custom(index: int, text: str, **fields: Any) -> Json:
    """Return a piece of a custom tool's input."""
    name = {"name": fields.pop("name")} if "name" in fields else {}
    return {"index": index, **fields, "custom": {**name, "input": text}}


def calls_of(deltas: list[list[Json]]) -> list[tuple[str, str, str]]:
    """Return (id, name, text) of each call, by its number, as a client adds the pieces up: it joins all strings."""
    calls, added = ToolCalls(), dict[int, list[str]]()
    for delta in deltas:
        for placed in calls.place(delta):
            call = added.setdefault(placed["index"], ["", "", ""])
            part = placed.get("function") or placed.get("custom") or {}
            for at, text in enumerate((placed.get("id"), part.get("name"), part.get("arguments", part.get("input")))):
                call[at] += text or ""
    assert sorted(added) == list(range(len(added)))
    return [(call[0], call[1], call[2]) for _, call in sorted(added.items())]


PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'
TWO = [("a", "f", PARIS), ("b", "g", ROME)]
TWINS = [("a", "f", PARIS), ("b", "f", ROME)]
NAMED = [("", "f", PARIS), ("", "g", ROME)]
WORDS = ['{"ci', 'ty":"Pa', 'ris"}']

SHAPES: dict[str, tuple[list[list[Json]], list[tuple[str, str, str]]]] = {
    "as OpenAI sends them": (
        [[piece(0, "", id="a", name="f")], *([piece(0, word)] for word in WORDS), [piece(1, ROME, id="b", name="g")]],
        TWO,
    ),
    "whole calls, all with the index 0": (
        [[piece(0, PARIS, id="a", name="f")], [piece(0, ROME, id="b", name="g")]],
        TWO,
    ),
    "the same in one delta": ([[piece(0, PARIS, id="a", name="f"), piece(0, ROME, id="b", name="g")]], TWO),
    "calls of the same tool with the index 0": (
        [[piece(0, PARIS, id="a", name="f")], [piece(0, ROME, id="b", name="f")]],
        TWINS,
    ),
    "the index 0, in pieces": (
        [
            [piece(0, "", id="a", name="f")],
            *([piece(0, word)] for word in WORDS),
            [piece(0, "", id="b", name="g")],
            [piece(0, ROME)],
        ],
        TWO,
    ),
    "the index 0, in pieces that alternate": (
        [
            [piece(0, "", id="a", name="f")],
            [piece(0, "", id="b", name="g")],
            [piece(0, ROME, id="b")],
            [piece(0, PARIS, id="a")],
        ],
        TWO,
    ),
    "the index 0, and no id": ([[piece(0, PARIS, name="f")], [piece(0, ROME, name="g")]], NAMED),
    "the index 0, no id, the same tool": (
        [[piece(0, PARIS, name="f")], [piece(0, ROME, name="f")]],
        [("", "f", PARIS), ("", "f", ROME)],
    ),
    "the index 0, one id for all": (
        [[piece(0, PARIS, id="a", name="f")], [piece(0, ROME, id="a", name="f")]],
        [("a", "f", PARIS), ("a", "f", ROME)],
    ),
    "no index": ([[piece(None, PARIS, id="a", name="f")], [piece(None, ROME, id="b", name="g")]], TWO),
    "no index, in pieces": (
        [
            [piece(None, "", id="a", name="f")],
            *([piece(None, word)] for word in WORDS),
            [piece(None, "", id="b", name="g")],
            [piece(None, ROME)],
        ],
        TWO,
    ),
    "no index, the id with each piece": (
        [*([piece(None, word, id="a", name="f")] for word in WORDS), [piece(None, ROME, id="b", name="g")]],
        TWO,
    ),
    "neither index nor id": ([[piece(None, PARIS, name="f")], [piece(None, ROME, name="g")]], NAMED),
    "neither index nor id, in one delta": (
        [[piece(None, "", name="f"), piece(None, "", name="g")]],
        [("", "f", ""), ("", "g", "")],
    ),
    "an index of null": (
        [[{**piece(0, PARIS, id="a", name="f"), "index": None}], [{**piece(0, ROME, id="b", name="g"), "index": None}]],
        TWO,
    ),
    "an index that begins at 1": ([[piece(1, PARIS, id="a", name="f")], [piece(2, ROME, id="b", name="g")]], TWO),
    "an index that grows with each piece": (
        [[piece(0, "", id="a", name="f")], *([piece(at, word)] for at, word in enumerate(WORDS, 1))],
        [("a", "f", PARIS)],
    ),
    "a later name that is empty": (
        [[piece(0, "", id="a", name="f")], *([piece(0, word, name="")] for word in WORDS)],
        [("a", "f", PARIS)],
    ),
    "a later id that is empty": (
        [[piece(0, "", id="a", name="f")], *([piece(0, word, id="", name="")] for word in WORDS)],
        [("a", "f", PARIS)],
    ),
    "a later id that is the word null": (
        [[piece(0, "", id="a", name="f")], *([piece(0, word, id="null", name="")] for word in WORDS)],
        [("a", "f", PARIS)],
    ),
    "later names and ids that are null": (
        [[piece(0, "", id="a", name="f")], *([piece(0, word, id=None, name=None, type=None)] for word in WORDS)],
        [("a", "f", PARIS)],
    ),
    "id and name with each piece": (
        [[piece(0, word, id="a", name="f", type="function")] for word in WORDS],
        [("a", "f", PARIS)],
    ),
    "the name with each piece, and no id": ([[piece(0, word, name="f")] for word in WORDS], [("", "f", PARIS)]),
    "the name late": ([[piece(0, "{", id="a")], [piece(0, "}", name="f")]], [("a", "f", "{}")]),
    "the id late": ([[piece(0, "", name="f")], [piece(0, PARIS, id="a")]], [("a", "f", PARIS)]),
    "the head again at the end": (
        [[piece(0, PARIS, id="a", name="f")], [piece(0, "", id="a", name="f")]],
        [("a", "f", PARIS)],
    ),
    "the whole call again at the end": (
        [[piece(0, "", id="a", name="f")], [piece(0, PARIS)], [piece(0, PARIS, id="a", name="f")]],
        [("a", "f", PARIS)],
    ),
    "the arguments as an object": (
        [[{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"city": "Paris"}}}]],
        [("a", "f", PARIS)],
    ),
    "no arguments": (
        [[piece(0, "", id="a", name="f")], [piece(1, None, id="b", name="g")]],
        [("a", "f", ""), ("b", "g", "")],
    ),
    "custom tools with the index 0": (
        [[custom(0, "x", id="a", name="f")], [custom(0, "y", id="b", name="g")]],
        [("a", "f", "x"), ("b", "g", "y")],
    ),
    "a custom tool in pieces": ([[custom(0, "x", id="a", name="f")], [custom(0, " y")]], [("a", "f", "x y")]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_client_that_joins_the_pieces_has_the_right_calls(shape: str) -> None:
    deltas, calls = SHAPES[shape]
    assert calls_of(deltas) == calls


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_placed_stays_where_it_is(shape: str) -> None:
    deltas, calls = SHAPES[shape]
    placed = ToolCalls()
    assert calls_of([placed.place(delta) for delta in deltas]) == calls


def test_what_openai_sends_is_not_changed() -> None:
    deltas, _ = SHAPES["as OpenAI sends them"]
    calls = ToolCalls()
    assert [calls.place(delta) for delta in deltas] == deltas


@pytest.mark.parametrize(
    ("pieces", "usable"),
    [
        ([piece(0, PARIS, id="a", name="f")], True),
        ([piece(0, "", id="a", name="f")], True),
        ([piece(0, '{"city":', id="a", name="f")], False),
        ([piece(0, PARIS + ROME, id="a", name="f")], False),
        ([piece(0, PARIS, id="a", name="")], False),
        ([custom(0, "any text", id="a", name="f")], True),
        ([piece(0, PARIS, id="a", name="f"), piece(1, "{", id="b", name="g")], False),
        ([], True),
    ],
)
def test_a_call_is_usable_with_a_name_and_arguments_that_are_json(pieces: list[Json], usable: bool) -> None:
    calls = ToolCalls()
    calls.place(pieces)
    assert calls.is_usable() is usable


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "a", "{}", "{"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["index", "id", "type", "function", "custom", "name", "arguments"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(st.lists(_ANY, max_size=3), max_size=4))
def test_nothing_that_a_provider_says_breaks_it(deltas: list[list[Any]]) -> None:
    calls = ToolCalls()
    for delta in deltas:
        assert len(calls.place(delta)) == len(delta)
    calls.is_usable()
