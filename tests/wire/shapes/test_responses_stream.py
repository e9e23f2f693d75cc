"""The end of a Responses stream says what came before it, even where its provider leaves it out."""

from typing import Any

import msgspec
import pytest

from tidegate.wire import sse
from tidegate.wire.shapes.responses_stream import unfinished_end, with_output

Json = dict[str, Any]

PART: Json = {"type": "output_text", "text": "High tide", "annotations": []}
ITEM: Json = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
BEGUN: Json = {"id": "resp_1", "status": "in_progress", "output": []}


def event(kind: str, number: int = 0, **fields: Any) -> bytes:
    return sse.encode(msgspec.json.encode({"type": kind, "sequence_number": number, **fields}), kind)


CREATED = event("response.created", response=BEGUN)
ADDED = event("response.output_item.added", 1, output_index=0, item={**ITEM, "status": "in_progress", "content": []})
OPENED = event("response.content_part.added", 2, output_index=0, content_index=0, part={**PART, "text": ""})
DELTA = event("response.output_text.delta", 3, output_index=0, content_index=0, delta="High tide")
ITEM_DONE = event("response.output_item.done", 4, output_index=0, item=ITEM)


def document(one: bytes | None) -> Json:
    decoded: Json = msgspec.json.decode(sse.data_of(one or b"") or b"null")
    return decoded


@pytest.mark.parametrize("output", [{"output": []}, {"output": None}, {}])
def test_a_response_that_states_no_output_gets_the_items_before_it(output: Json) -> None:
    end = event("response.completed", 5, response={"id": "resp_1", "status": "completed", **output})
    mended = document(with_output(end, [CREATED, ADDED, DELTA, ITEM_DONE]))
    assert mended["response"] == {"id": "resp_1", "status": "completed", "output": [ITEM]}
    assert mended["sequence_number"] == 5


def test_items_whose_own_end_was_left_out_are_completed() -> None:
    mended = document(
        with_output(event("response.completed", 5, response={"output": []}), [CREATED, ADDED, OPENED, DELTA])
    )
    (item,) = mended["response"]["output"]
    assert (item["status"], item["content"][0]["text"]) == ("completed", "High tide")


@pytest.mark.parametrize(
    "end",
    [
        event("response.completed", response={"status": "completed", "output": [ITEM]}),
        event("response.completed", response={"output": [{**ITEM, "output": []}]}),
        event("response.completed", response=7, output=[]),
        event("response.created", response=BEGUN),
        b'data: "response.completed" "output":[]\n\n',
    ],
)
def test_every_other_event_passes_unchanged(end: bytes) -> None:
    assert with_output(end, [CREATED, ITEM_DONE]) is end


@pytest.mark.parametrize(
    "earlier", [[], [CREATED], [DELTA], [CREATED, event("response.output_item.done", output_index=0)]]
)
def test_a_response_without_items_before_it_passes_unchanged(earlier: list[bytes]) -> None:
    end = event("response.completed", response={"status": "completed", "output": []})
    assert with_output(end, earlier) is end


def test_an_unfinished_stream_ends_with_what_came_before_it_as_incomplete() -> None:
    end = document(unfinished_end([CREATED, ADDED, OPENED, DELTA]))
    assert (end["type"], end["sequence_number"]) == ("response.incomplete", 4)
    response = end["response"]
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": None})
    (item,) = response["output"]
    assert (item["status"], item["content"][0]["text"]) == ("incomplete", "High tide")


@pytest.mark.parametrize(
    "earlier", [[], [DELTA], [b"data: 7\n\n"], [CREATED, event("response.output_item.added", output_index=0)]]
)
def test_a_stream_without_a_response_cannot_be_ended(earlier: list[bytes]) -> None:
    assert unfinished_end(earlier) is None
