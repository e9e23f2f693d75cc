"""The price list that ships with the package names each model once and loads quickly."""

import json
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.config import ConfigError
from tidegate.metering import price_list

LIST = price_list.load()


@pytest.mark.parametrize(
    ("name", "usd_per_million"),
    [
        ("gpt-4o", 2.5),
        ("gpt-4o-2024-05-13", 5),
        ("gpt-4o-mini", 0.15),
        ("gpt-5.6-sol-2026-09-01", 5),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", 0.3),
        ("omni-moderation-latest", 0),
    ],
)
def test_a_model_is_found_by_any_of_its_names(name: str, usd_per_million: float) -> None:
    model = LIST.find(name)

    assert model is not None
    assert model.periods[0].rates[0].input == usd_per_million * 10**9


@pytest.mark.parametrize("name", ["", "gpt", "gpt-4o-mini-x", "claude-2", "tts-1"])
def test_what_the_list_does_not_price_by_token_is_not_found(name: str) -> None:
    assert LIST.find(name) is None


def test_only_moderations_are_free() -> None:
    free = [model for model in LIST.models if any(not period.rates[0].input for period in model.periods)]

    assert [model.contains for model in free] == [("moderation",)]


def test_tools_have_prices() -> None:
    assert LIST.fees["web_search"] == 10_000_000
    assert min(LIST.fees.values()) > 0


OWN = """{"source":"ours","fees":{"tea_making":7},"models":[
{"equals":["llama-99"],"periods":[{"rates":[{"input":1000000000,"cache_write":2000000000}]}]},
{"equals":["gpt-4o"],"periods":[{"rates":[{"input":9000000000}]}]}]}"""


def test_a_file_adds_models_and_replaces_those_of_the_package(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(OWN)

    found = price_list.load(file)

    listed = {name: model for name in ("llama-99", "gpt-4o", "gpt-5") if (model := found.find(name))}
    assert [model.periods[0].rates[0].input // 10**9 for model in listed.values()] == [1, 9, 1]
    assert (found.fees["tea_making"], found.fees["web_search"]) == (7, 10_000_000)
    assert found.source == f"ours, {LIST.source}"


def test_the_file_that_the_command_writes_is_the_package_s_own(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_bytes(price_list.encode(LIST))

    assert price_list.load(file).models[: len(LIST.models)] == LIST.models


def model(**fields: Any) -> str:
    priced = {"equals": ["m"], "periods": [{"rates": [{"input": 1}]}], **fields}
    return json.dumps({"source": "x", "models": [priced]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`"),
        ('{"source":"x"}', "missing required field `models`"),
        (model(periods=[{"rates": [{"input": 1, "cach_write": 2}]}]), "unknown field `cach_write`"),
        (model(periods=[{"rates": [{"input": 1.5}]}]), "Expected `int`"),
        (model(equals=[]), "model 1 (without a name) has no name"),
        (model(equals=["GPT"]), "model 1 (GPT) has a name that is empty or not in lower case"),
        (model(regex=["("]), "model 1 (m) has the pattern '(', which is none"),
        (model(periods=[]), "has no price"),
        (model(periods=[{"rates": []}]), "has no price"),
        (model(periods=[{"rates": [{"above": 5, "input": 1}]}]), "do not begin at 0 and rise"),
        (model(tiers={"flex": [{"rates": [{"input": 1}, {"input": 2}]}]}), "do not begin at 0 and rise"),
        (model(periods=[{"rates": [{"input": -1}]}]), "has a negative price"),
        (model(fees={"web_search": -1}), "has a negative price"),
        ('{"source":"x","fees":{"a":-1},"models":[]}', "a fee is negative"),
    ],
)
def test_a_malformed_file_is_refused_with_its_fault(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)

    with pytest.raises(ConfigError) as refused:
        price_list.load(file)

    assert reason in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        price_list.load(tmp_path / "none.json")


def test_the_list_says_where_it_comes_from() -> None:
    assert LIST.source.startswith("genai-prices ")
