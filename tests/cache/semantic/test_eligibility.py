"""A call takes part only if its question alone may differ; all else that shapes its answer is its scope."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cache import policy
from tidegate.cache.semantic.eligibility import EligibilityRules, ScopedQuestion, Skipped, read_call
from tidegate.cache.semantic.question import shipped_reader
from tidegate.core.endpoints import CHAT, EMBEDDINGS, RESPONSES, Endpoint
from tidegate.wire.call import parse

READER = shipped_reader()
TEXT = "How do I reset my password?"
USER = {"role": "user", "content": TEXT}
SYSTEM = {"role": "system", "content": "Be short."}
ANSWER = {"role": "assistant", "content": "Which one?"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
TOOL = {"type": "function", "function": {"name": "f"}}


def _read(
    body: dict[str, Any],
    *,
    endpoint: Endpoint = CHAT,
    cache_control: str = "",
    project: str = "shop",
    headers: dict[str, str] | None = None,
    **rules: Any,
) -> ScopedQuestion | Skipped:
    call = parse(endpoint, msgspec.json.encode({"model": "gpt-4o-mini", **body}))
    found = policy.parse_cache_control(cache_control)
    return read_call(call, found, EligibilityRules(**rules), READER, project=project, headers=headers or {})


def _chat(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": list(turns), **fields}


SKIPPED: list[tuple[str, dict[str, Any]]] = [
    ("tools", _chat(USER, tools=[TOOL])),
    ("tools", _chat(USER, {"role": "tool", "content": "1", "tool_call_id": "c"}, USER)),
    ("choices", _chat(USER, n=2)),
    ("logprobs", _chat(USER, logprobs=True)),
    ("sampling", _chat(USER, temperature=1.5)),
    ("modality", _chat(USER, modalities=["text", "audio"])),
    ("modality", _chat({"role": "user", "content": [{"type": "text", "text": TEXT}, IMAGE]})),
    ("modality", _chat({"role": "user", "content": [IMAGE]})),
    ("modality", _chat(USER, ANSWER)),
    ("modality", _chat()),
    ("turns", _chat(USER, ANSWER, USER)),
    ("long", _chat({"role": "user", "content": "a tide " * 200})),
    ("short", _chat({"role": "user", "content": ""})),
    ("short", _chat({"role": "user", "content": "Help!"})),
    ("short", _chat({"role": "user", "content": "\U0001f30a \U0001f30a"})),
    ("time", _chat({"role": "user", "content": "What is the weather in Oslo?"})),
    ("time", _chat({"role": "user", "content": "Wer spielt heute gegen Bremen?"})),
]


@pytest.mark.parametrize(("reason", "body"), SKIPPED)
def test_a_call_that_may_need_another_answer_takes_no_part(reason: str, body: dict[str, Any]) -> None:
    assert _read(body) == Skipped(reason=reason)


@pytest.mark.parametrize("header", ["no-cache", "no-store", "max-age=0", "only-if-cached"])
def test_a_caller_refuses_by_its_header(header: str) -> None:
    assert _read(_chat(USER), cache_control=header) == Skipped(reason="cache-control")


def test_embeddings_and_stateful_calls_take_no_part() -> None:
    assert _read({"input": TEXT}, endpoint=EMBEDDINGS) == Skipped(reason="endpoint")
    body = {"input": TEXT, "previous_response_id": "resp_1"}
    assert _read(body, endpoint=RESPONSES) == Skipped(reason="state")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "كيف أعيد تعيين كلمة المرور؟",
        "パスワード を リセット したい",
        "Пароль password забыл",
        "fünf Kisten bitte",
    ],
)
def test_questions_of_every_script_take_part(text: str) -> None:
    assert isinstance(_read(_chat({"role": "user", "content": text})), ScopedQuestion)


def test_a_question_has_one_scope_in_every_form_of_its_endpoint() -> None:
    whole = _read(_chat(SYSTEM, USER))
    parts = _read(_chat(SYSTEM, {"role": "user", "content": [{"type": "text", "text": TEXT}]}))
    streamed = _read(_chat(SYSTEM, USER, stream=True, user="eve", temperature=1))
    assert isinstance(whole, ScopedQuestion)
    assert whole == parts == streamed


def test_other_words_stay_in_the_scope_of_a_question() -> None:
    one, other = _read(_chat(USER)), _read(_chat({"role": "user", "content": "I forgot my password."}))
    assert isinstance(one, ScopedQuestion)
    assert isinstance(other, ScopedQuestion)
    assert (one.scope == other.scope, one.question.key == other.question.key) == (True, False)


def test_a_later_turn_takes_part_where_that_is_allowed_and_earlier_turns_are_equal() -> None:
    one = _read(_chat(USER, ANSWER, USER), same_turns=True)
    other = _read(_chat(USER, {**ANSWER, "content": "Which?"}, USER), same_turns=True)
    assert isinstance(one, ScopedQuestion)
    assert isinstance(other, ScopedQuestion)
    assert one.scope != other.scope


_WORDS = st.sampled_from(["", "a", "b", "Be short.", "Be kind.", "shop", "t/a", "t", "a:x"])
_SHAPE = st.fixed_dictionaries(
    {
        "project": _WORDS,
        "model": st.sampled_from(["gpt-5", "gpt-5-mini"]),
        "system": _WORDS,
        "second": _WORDS,
        "role": st.sampled_from(["system", "developer"]),
        "temperature": st.sampled_from([0, 0.5, 1]),
        "form": st.sampled_from([None, {"type": "json_object"}]),
        "stop": st.sampled_from([None, "a", ["a"]]),
        "header": _WORDS,
        "name": st.sampled_from(["", "ann"]),
    }
)


def _scope_of(shape: dict[str, Any]) -> str:
    fields = {"temperature": shape["temperature"], "response_format": shape["form"], "stop": shape["stop"]}
    turns = [{"role": shape["role"], "content": shape[name]} for name in ("system", "second") if shape[name]]
    last = {**USER, **({"name": shape["name"]} if shape["name"] else {})}
    headers = {"openai-beta": shape["header"]}
    found = _read({**_chat(*turns, last, **fields), "model": shape["model"]}, project=shape["project"], headers=headers)
    assert isinstance(found, ScopedQuestion)
    return found.scope


@given(one=_SHAPE, other=_SHAPE)
def test_two_calls_share_a_scope_only_if_all_but_the_question_is_equal(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    texts = [[shape["system"], shape["second"]] for shape in (one, other)]
    texts = [
        [shape["role"] if any(text) else "", *filter(None, text)]
        for shape, text in zip((one, other), texts, strict=True)
    ]
    rest = [{name: shape[name] for name in shape.keys() - {"system", "second", "role"}} for shape in (one, other)]
    assert (_scope_of(one) == _scope_of(other)) == (texts[0] == texts[1] and rest[0] == rest[1])


def test_ten_thousand_pairs_of_calls_share_no_scope() -> None:
    """Each pair differs in one part only, which is what an attacker would try."""
    coin = random.Random(11)  # noqa: S311  # repeatable on purpose
    parts: dict[str, list[Any]] = {
        "project": ["shop", "t/a", "t", "a:x", "shop "],
        "model": ["gpt-5", "gpt-5-mini", "gpt-5 "],
        "system": ["", "Be short.", "Be short. ", "be short.", '"}],["'],
        "second": ["", "Be kind.", "[]"],
        "role": ["system", "developer"],
        "temperature": [0, 0.5, 1],
        "form": [None, {"type": "json_object"}],
        "stop": [None, "a", ["a"], ["a", "b"]],
        "header": ["", "a", "b"],
        "name": ["", "ann", "bob"],
    }
    shared = 0
    for _ in range(10_000):
        one = {name: coin.choice(values) for name, values in parts.items()}
        one["system"] = one["system"] or "Be brief."
        name = coin.choice(list(parts))
        others = [value for value in parts[name] if value != one[name] and (name != "system" or value)]
        shared += _scope_of(one) == _scope_of({**one, name: coin.choice(others)})
    assert shared == 0
