"""A connection's client is told of its own turns, and what the model needs to go on is kept behind its back."""

from typing import Any

import msgspec
import pytest

from tests.web.websocket.test_response_cache import answer, compartment, create
from tidegate.web.websocket.event_rewriter import EventRewriter
from tidegate.wire import sse

Json = dict[str, Any]

THOUGHTS: Json = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}


def event(kind: str, **fields: Any) -> bytes:
    return sse.encode(msgspec.json.encode({"type": kind, **fields}), kind)


def ended(*, status: str = "completed") -> bytes:
    response = {**answer("Hello."), "status": status, "previous_response_id": None}
    return event(f"response.{status}", response={**response, "output": [THOUGHTS, *response["output"][1:]]})


def decoded(text: str | None) -> Json:
    document: Json = msgspec.json.decode(text or "")
    return document


@pytest.mark.parametrize(
    ("fields", "hides"),
    [
        ({"model": "gpt-4o-mini"}, False),
        ({"model": "gpt-5-mini"}, True),
        ({"model": "smart", "reasoning": {"effort": "low"}}, True),
        ({"model": "gpt-5-mini", "store": True}, False),
        ({"model": "gpt-5-mini", "include": ["reasoning.encrypted_content"]}, False),
    ],
)
def test_reasoning_is_asked_for_and_not_shown_where_nobody_else_keeps_it(fields: Json, hides: bool) -> None:
    kept: list[Json] = []
    retelling = EventRewriter(create("hi", **{"store": False, **fields}), None, remember=kept.append)
    assert retelling.request_overrides == ({"include": b'["reasoning.encrypted_content"]'} if hides else {})
    item = retelling.to_frame(event("response.output_item.done", output_index=0, item=THOUGHTS))
    assert ("encrypted_content" in decoded(item)["item"]) is not hides
    shown = decoded(retelling.to_frame(ended()))["response"]["output"][0]
    assert ("encrypted_content" in shown) is not hides
    assert [response["output"][0] for response in kept] == ([] if fields.get("store") else [THOUGHTS])


def test_the_parent_is_named_though_the_upstream_was_not_told_of_it() -> None:
    recent = compartment()
    recent.remember(create("I am Ada."), None, answer("Hello.", "resp_0"))
    request = create("Who am I?", previous_response_id="resp_0", store=True, stream_id="a")
    retelling = EventRewriter(request, recent.find("resp_0"), remember=lambda _: None)
    assert set(retelling.request_overrides) == {"input", "previous_response_id"}
    told = decoded(retelling.to_frame(ended()))
    assert (told["response"]["previous_response_id"], told["stream_id"]) == ("resp_0", "a")


@pytest.mark.parametrize(("status", "kept"), [("completed", 1), ("incomplete", 1), ("failed", 0), ("cancelled", 0)])
def test_only_what_can_be_gone_on_from_is_kept(status: str, kept: int) -> None:
    found: list[Json] = []
    retelling = EventRewriter(create("hi", store=False), None, remember=found.append)
    retelling.to_frame(event("response.created", response={**answer(""), "status": "in_progress"}))
    retelling.to_frame(ended(status=status))
    assert len(found) == kept


def test_what_needs_no_look_gets_none() -> None:
    retelling = EventRewriter(create("hi", store=False), None, remember=lambda _: None)
    delta = event("response.output_text.delta", delta='{"response"')
    assert decoded(retelling.to_frame(delta))["delta"] == '{"response"'
    assert retelling.to_frame(sse.DONE) is None
