"""Legacy completions are the same whole and streamed, and count each choice."""

from typing import Any

import pytest

from tests.simulator.client import IDENTITY, upstream
from tidegate.simulator.answers.completions import reply
from tidegate.simulator.refusal import Refusal

_BODY: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": "When is high tide?", "max_tokens": 20}


@pytest.mark.parametrize(
    ("more", "choices"),
    [({}, 1), ({"n": 3}, 3), ({"prompt": ["a", "b"], "n": 2}, 4), ({"prompt": [1, 2, 3]}, 1), ({"best_of": 4}, 1)],
)
def test_each_prompt_has_n_choices(more: dict[str, Any], choices: int) -> None:
    found = reply({**_BODY, **more}, IDENTITY, None)
    assert [choice["index"] for choice in found.body["choices"]] == list(range(choices))
    usage = found.body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (found.input_tokens, found.output_tokens)
    assert usage["completion_tokens"] == 20 * max(choices, more.get("best_of", 0))


def test_the_stream_has_the_whole_text_and_states_usage_only_on_request() -> None:
    body = {**_BODY, "stream": True, "echo": True, "suffix": " End."}
    found = reply(body, IDENTITY, None)
    text = "".join(event["choices"][0]["text"] for event in found.events or ())
    assert text == found.body["choices"][0]["text"] == _BODY["prompt"] + text.removeprefix(_BODY["prompt"])
    assert text.endswith(" End.")
    assert all("usage" not in event for event in found.events or ())
    counted = reply({**body, "stream_options": {"include_usage": True}}, IDENTITY, None).events or []
    assert (counted[-1]["choices"], counted[-1]["usage"]) == ([], found.body["usage"])


def test_more_choices_than_are_written_are_refused() -> None:
    with pytest.raises(Refusal, match="more choices than it will generate"):
        reply({**_BODY, "n": 3, "best_of": 2}, IDENTITY, None)


async def test_the_sdk_reads_both_forms_and_the_bill_has_the_tokens() -> None:
    async with upstream() as up, up.sdk() as client:
        whole = await client.completions.create(**_BODY)
        stream = await client.completions.create(**_BODY, stream=True)
        text = "".join([chunk.choices[0].text async for chunk in stream])
        calls = (await up.stats())["requests"]
    assert whole.choices[0].text == text
    assert whole.usage is not None
    assert [(call["route"], call["output_tokens"]) for call in calls] == [("completions", 20)] * 2
    assert whole.usage.completion_tokens == 20
