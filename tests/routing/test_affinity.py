"""A conversation keeps its target while that is there, and over many conversations the weights are kept."""

import tracemalloc
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.core.config import RouteConfig
from tidegate.core.endpoints import Endpoint
from tidegate.routing.affinity import conversation_key, draw_of
from tidegate.routing.routes import Routes
from tidegate.wire.call import parse

WEIGHTS = {"east": 5, "west": 3, "north": 2}
HI = {"role": "user", "content": "When is high tide?"}
SYSTEM = {"role": "system", "content": "You know the sea."}


def key_of(body: dict[str, Any], *, route: Endpoint = endpoints.CHAT, **named: Any) -> bytes | None:
    call = parse(route, msgspec.json.encode({"model": "smart", **body}))
    return conversation_key(call, **{"project": "shop", "conversation": None, **named})


def order_of(key: bytes, weights: dict[str, int] = WEIGHTS) -> list[str]:
    """The providers of a weighted route, as a conversation tries them."""
    targets = [{"provider": provider, "weight": weight} for provider, weight in weights.items()]
    route = RouteConfig.model_validate({"targets": targets, "strategy": "weighted"})
    plan = Routes({"smart": route}, stale_seconds=0.0).plan("smart", draw_for=lambda: draw_of(key))
    return [target.provider for target in plan.targets]


def chat_turns(number: int, *first: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The messages of each turn: all that was said before, and a new question."""
    turns = [[*first]]
    for turn in range(number - 1):
        answer = {"role": "assistant", "content": f"At {turn}."}
        turns.append([*turns[-1], answer, {"role": "user", "content": f"And on day {turn}?"}])
    return turns


def keys(conversations: int) -> list[bytes]:
    found = [key_of({"messages": [{"role": "user", "content": f"Question {n}"}]}) for n in range(conversations)]
    return [key for key in found if key is not None]


@pytest.mark.parametrize("first", [[HI], [SYSTEM, HI], [{**SYSTEM, "role": "developer"}, SYSTEM, HI]])
def test_all_turns_of_a_chat_have_one_key(first: Sequence[dict[str, Any]]) -> None:
    assert len({key_of({"messages": messages}) for messages in chat_turns(100, *first)}) == 1


def test_the_turns_of_a_stored_response_have_the_key_of_its_first_one() -> None:
    stored = {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    later = {"input": [stored, {"role": "user", "content": "And then?"}]}
    assert key_of({"input": "Hi"}, route=endpoints.RESPONSES) == key_of(later, route=endpoints.RESPONSES)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"messages": [HI]}, {"messages": [{**HI, "content": "And low tide?"}]}, False),
        ({"messages": [SYSTEM, HI]}, {"messages": [{**SYSTEM, "content": "You know the sky."}, HI]}, False),
        ({"prompt_cache_key": "a", "messages": [HI]}, {"prompt_cache_key": "a", "messages": [SYSTEM]}, True),
        ({"prompt_cache_key": "a", "messages": [HI]}, {"prompt_cache_key": "b", "messages": [HI]}, False),
        ({"prompt_cache_key": "", "messages": [HI]}, {"messages": [HI]}, True),
        ({"temperature": 0, "messages": [HI]}, {"tools": [], "messages": [HI]}, True),
    ],
)
def test_what_a_conversation_is_known_by(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert (key_of(one) == key_of(other)) is same


def test_a_conversation_that_is_named_is_known_by_its_name() -> None:
    said = {"input": "Hi"}
    named = key_of(said, route=endpoints.RESPONSES, conversation="conv_1")
    assert named == key_of({"input": "Bye"}, route=endpoints.RESPONSES, conversation="conv_1")
    assert named != key_of(said, route=endpoints.RESPONSES, conversation="conv_2")
    assert named != key_of(said, route=endpoints.RESPONSES)
    cached = key_of({**said, "prompt_cache_key": "a"}, route=endpoints.RESPONSES, conversation="conv_1")
    assert cached == key_of({**said, "prompt_cache_key": "a"}, route=endpoints.RESPONSES)


def test_projects_with_the_same_words_are_apart() -> None:
    assert key_of({"messages": [HI]}) != key_of({"messages": [HI]}, project="harbour")


def test_the_end_of_long_instructions_may_change() -> None:
    texts = [f"{'You know the sea. ' * 100} It is {hour} o'clock." for hour in range(3)]
    assert len({key_of({"messages": [{**SYSTEM, "content": text}, HI]}) for text in texts}) == 1
    assert len({key_of({"instructions": text, "input": "Hi"}, route=endpoints.RESPONSES) for text in texts}) == 1


@pytest.mark.parametrize("kind", ["image_url", "input_image"])
def test_the_same_question_about_another_picture_is_another_conversation(kind: str) -> None:
    def ask(url: str) -> bytes | None:
        picture: Any = {"url": url, "detail": "low"} if kind == "image_url" else url
        parts = [{"type": "text", "text": "What is it?"}, {"type": kind, "image_url": picture}]
        return key_of({"messages": [{"role": "user", "content": parts}]})

    assert ask("https://a") != ask("https://b")
    assert ask("https://a") == ask("https://a")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (endpoints.EMBEDDINGS, {"input": "high tide"}),
        (endpoints.CHAT, {"messages": []}),
        (endpoints.CHAT, {"messages": [1, {"role": "user", "content": 7}]}),
        (endpoints.RESPONSES, {}),
    ],
)
def test_what_is_no_conversation_has_no_key(route: Endpoint, body: dict[str, Any]) -> None:
    assert key_of(body, route=route) is None


def test_over_ten_thousand_conversations_the_weights_are_kept() -> None:
    firsts = Counter(order_of(key)[0] for key in keys(10_000))
    seconds = Counter(order_of(key)[1] for key in keys(10_000) if order_of(key)[0] == "east")
    # four standard deviations
    assert [firsts[name] for name in WEIGHTS] == [pytest.approx(1000 * weight, abs=200) for weight in WEIGHTS.values()]
    assert seconds["west"] / seconds.total() == pytest.approx(3 / 5, abs=0.03), (
        "what is down is replaced by weight, too"
    )


def test_a_target_that_goes_or_comes_moves_no_other_conversation() -> None:
    without = {name: weight for name, weight in WEIGHTS.items() if name != "north"}
    for key in keys(500):
        before = order_of(key)
        assert order_of(key, without) == [name for name in before if name != "north"]


def test_a_target_of_weight_0_comes_last() -> None:
    assert {order_of(key, {**WEIGHTS, "spare": 0})[-1] for key in keys(50)} == {"spare"}


def test_of_many_long_instructions_only_the_beginning_is_read() -> None:
    parts = [{"type": "text", "text": "You know the sea. " * 2_000}] * 50_000
    long = {"messages": [{"role": "system", "content": parts}, HI]}
    short = {"messages": [{"role": "system", "content": parts[:1]}, HI]}
    call = parse(endpoints.CHAT, msgspec.json.encode({"model": "smart", **short}))
    call.body["messages"] = long["messages"]
    tracemalloc.start()
    try:
        key = conversation_key(call, project="shop", conversation=None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert key == key_of(short)
    assert most < 1024 * 1024, "no second copy of the instructions"
