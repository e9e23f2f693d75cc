"""What a target does not take is renamed, left out, refused or completed by declared rules, and each change is told."""

from typing import Any

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import UnsupportedByTarget
from tidegate.providers.openai_family.parameter_rules import (
    COMPATIBLE_SERVER_RULES,
    OPENAI_RULES,
    ParameterMapper,
    Rule,
)
from tidegate.providers.target import Target
from tidegate.wire.call import parse

Json = dict[str, Any]

RULES = {"openai": OPENAI_RULES, "azure": OPENAI_RULES, "openai_compatible": COMPATIBLE_SERVER_RULES}


def adapted(
    body: Json, *rules: Rule, kind: str = "openai", route: Endpoint = endpoints.CHAT, model: str = "m", asked: str = "m"
) -> tuple[Json, tuple[str, ...]]:
    """What is sent of a body to `model`, without the model's name, and what is told."""
    call = parse(route, msgspec.json.encode({"model": asked, **body}))
    done = ParameterMapper(RULES[kind], rules).map(call, Target("p", model), model=model)
    sent: Json = msgspec.json.decode(msgspec.json.encode(done.fields))
    assert sent.pop("model") == model
    return sent, done.changes


RENAME = Rule(rename=(("max_tokens", "max_completion_tokens"),))
DROP = Rule(drop=("seed", "logit_bias"))
DEFAULT = Rule(defaults=(("max_tokens", msgspec.Raw(b"64")),))


@pytest.mark.parametrize(
    ("rule", "body", "sent", "notes"),
    [
        (RENAME, {"max_tokens": 5}, {"max_completion_tokens": 5}, ("max_tokens: max_completion_tokens",)),
        (RENAME, {"max_completion_tokens": 5}, {"max_completion_tokens": 5}, ()),
        (RENAME, {"max_tokens": 5, "max_completion_tokens": 7}, {"max_completion_tokens": 7}, ("max_tokens: dropped",)),
        (RENAME, {"max_tokens": 5, "max_completion_tokens": None}, {"max_completion_tokens": 5},
         ("max_tokens: max_completion_tokens",)),
        (RENAME, {"max_tokens": None}, {"max_tokens": None}, ()),
        (DROP, {"seed": 1, "top_p": 0.5}, {"top_p": 0.5}, ("seed: dropped",)),
        (DROP, {"seed": None, "logit_bias": {}}, {}, ("logit_bias: dropped",)),
        (DROP, {}, {}, ()),
        (DEFAULT, {}, {"max_tokens": 64}, ("max_tokens: set",)),
        (DEFAULT, {"max_tokens": 5}, {"max_tokens": 5}, ()),
        (DEFAULT, {"max_tokens": None}, {"max_tokens": 64}, ("max_tokens: set",)),
        (Rule(refuse=("seed",)), {"seed": None}, {"seed": None}, ()),
        (Rule(models=("o*",), drop=("seed",)), {"seed": 1}, {"seed": 1}, ()),
        (Rule(endpoints=frozenset({endpoints.EMBEDDINGS}), drop=("seed",)), {"seed": 1}, {"seed": 1}, ()),
    ],
)  # fmt: skip
def test_a_rule(rule: Rule, body: Json, sent: Json, notes: tuple[str, ...]) -> None:
    assert adapted(body, rule) == (sent, notes)


def test_what_is_refused_is_named_with_its_target() -> None:
    with pytest.raises(UnsupportedByTarget, match=r"The target p/m does not take `seed`\.") as no:
        adapted({"seed": 1}, Rule(refuse=("seed",)))
    assert (no.value.param, no.value.code, no.value.retryable) == ("seed", "unsupported_parameter", False)


def test_rules_apply_in_their_order() -> None:
    assert adapted({"max_tokens": 5, "seed": 1}, RENAME, DROP, Rule(drop=("max_completion_tokens",)), DEFAULT) == (
        {"max_tokens": 64},
        (
            "max_tokens: max_completion_tokens",
            "seed: dropped",
            "max_completion_tokens: dropped",
            "max_tokens: set",
        ),
    )


@pytest.mark.parametrize(
    ("kind", "model", "body", "sent", "notes"),
    [
        ("openai", "o3-mini", {"max_tokens": 5, "temperature": 0.2}, {"max_completion_tokens": 5},
         ("max_tokens: max_completion_tokens", "temperature: dropped")),
        ("azure", "gpt-5-mini", {"top_p": 0.2}, {}, ("top_p: dropped",)),
        ("openai", "gpt-5.2", {"max_tokens": 5, "top_p": 0.2}, {"max_completion_tokens": 5, "top_p": 0.2},
         ("max_tokens: max_completion_tokens",)),
        ("openai", "gpt-4.1", {"reasoning_effort": "low", "verbosity": "low", "stop": ["."]}, {"stop": ["."]},
         ("reasoning_effort: dropped", "verbosity: dropped")),
        ("openai", "gpt-4o", {"max_tokens": 5, "temperature": 0.2}, {"max_tokens": 5, "temperature": 0.2}, ()),
        ("openai_compatible", "llama", {"max_completion_tokens": 5, "store": False, "seed": 1},
         {"max_tokens": 5, "seed": 1}, ("max_completion_tokens: max_tokens", "store: dropped")),
    ],
)  # fmt: skip
def test_who_named_another_model_cannot_know_what_this_one_takes(
    kind: str, model: str, body: Json, sent: Json, notes: tuple[str, ...]
) -> None:
    assert adapted(body, kind=kind, model=model, asked="smart") == (sent, notes)
    assert adapted(body, kind=kind, model=model, asked=model) == (body, ()), "who named it knows"


def test_a_translated_call_says_what_its_caller_did_not() -> None:
    call = parse(endpoints.CHAT, b'{"model":"m","max_completion_tokens":5}')
    translated = msgspec.structs.replace(call, is_translated=True)
    sent = [
        ParameterMapper(COMPATIBLE_SERVER_RULES, []).map(one, Target("p", "m"), model="m") for one in (call, translated)
    ]
    assert [done.changes for done in sent] == [(), ("max_completion_tokens: max_tokens",)]


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5", "gpt-5-mini-2025-08-07"])
def test_a_reasoning_model_that_cannot_stop_where_it_should_is_not_asked(model: str) -> None:
    with pytest.raises(UnsupportedByTarget, match="`stop`"):
        adapted({"stop": "\n"}, model=model, asked="smart")
    assert adapted({"stop": None}, model=model, asked="smart") == ({"stop": None}, ())


def test_responses_to_a_reasoning_model_lose_their_sampling_only() -> None:
    body = {"max_output_tokens": 5, "temperature": 0.2}
    told = adapted(body, route=endpoints.RESPONSES, model="o3", asked="smart")
    assert told == ({"max_output_tokens": 5}, ("temperature: dropped",))


def test_no_known_rule_touches_what_was_said() -> None:
    names = {"model", "messages", "input", "stream", "tools", "tool_choice", "response_format"}
    for rule in (*OPENAI_RULES, *COMPATIBLE_SERVER_RULES):
        assert not names & {*rule.drop, *(name for name, _ in rule.rename), *(name for _, name in rule.rename)}


def test_a_streams_usage_is_asked_for_unless_a_rule_says_otherwise() -> None:
    sent, _ = adapted({"stream": True})
    assert sent == {"stream": True, "stream_options": {"include_usage": True}}
    assert adapted({"stream": True}, Rule(drop=("stream_options",))) == (
        {"stream": True},
        ("stream_options: dropped",),
    )


def test_bytes_that_no_rule_touches_stay_as_they_came() -> None:
    call = parse(endpoints.CHAT, b'{"model": "a", "seed": 1, "x":  1.50 , "messages": [ {"role" : "user"} ]}')
    done = ParameterMapper(OPENAI_RULES, [DROP]).map(call, Target("p", "b"), model="b")
    assert msgspec.json.encode(done.fields) == b'{"model":"b","x":1.50,"messages":[ {"role" : "user"} ]}'


@pytest.mark.parametrize(
    ("kind", "route", "rules", "sent", "notes"),
    [
        ("openai", endpoints.CHAT, (), {"max_completion_tokens": 9}, ("max_completion_tokens: set to 9",)),
        ("openai_compatible", endpoints.CHAT, (), {"max_tokens": 9}, ("max_tokens: set to 9",)),
        ("openai", endpoints.RESPONSES, (), {"max_output_tokens": 9}, ("max_output_tokens: set to 9",)),
        ("openai", endpoints.CHAT, (Rule(rename=(("max_completion_tokens", "limit"),)),), {"limit": 9},
         ("limit: set to 9",)),
        ("openai", endpoints.CHAT, (Rule(drop=("max_completion_tokens",)),), {}, ()),
    ],
)  # fmt: skip
def test_an_added_limit_has_the_targets_name_although_the_caller_named_the_target(
    kind: str, route: Endpoint, rules: tuple[Rule, ...], sent: Json, notes: tuple[str, ...]
) -> None:
    call = parse(route, msgspec.json.encode({"model": "m", "max_tokens": None})).with_assumed_output(9)
    done = ParameterMapper(RULES[kind], rules).map(call, Target("p", "m"), model="m")
    given = {name: msgspec.json.decode(value) for name, value in done.fields.items()}
    assert {name: value for name, value in given.items() if name not in ("model", "max_tokens") or value == 9} == sent
    assert done.changes == notes
