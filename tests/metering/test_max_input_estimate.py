"""Input that the gateway sees is counted, and other input is bounded by the model's context."""

from typing import Any

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.metering.estimate import estimate
from tidegate.metering.max_input_estimate import base_model, max_input_tokens
from tidegate.wire.call import parse


def most(content: Any, **fields: Any) -> int:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": content}], **fields}
    call = parse(endpoints.CHAT, msgspec.json.encode(body))
    return max_input_tokens(call, estimate(call.endpoint, call.model, call.body, ()).input)


@pytest.mark.parametrize(
    ("content", "fields", "at_least", "at_most"),
    [
        ("hi", {}, 16, 150),
        ("tide " * 4_000, {}, 5_000, 5_200),
        ("\U0001f30a" * 10_000, {}, 10_000, 33_000),
        ("hi", {"previous_response_id": "resp_1"}, 128_000, 128_000),
        ("hi", {"conversation": "conv_1", "model": "gpt-4.1"}, 1_047_576, 1_047_576),
        ("hi", {"prompt": {"id": "pmpt_1"}, "model": "nobody-knows"}, 1_050_000, 1_050_000),
        ([{"type": "file", "file": {"file_id": "file_1"}}], {}, 128_000, 128_000),
        ([{"type": "input_audio", "input_audio": {"data": ""}}], {}, 128_000, 128_000),
        ([{"type": "image_url", "image_url": {"url": "u"}}], {}, 1_445, 1_700),
        ([{"type": "image_url", "image_url": {"url": "data:" + "x" * 100_000}}] * 2, {}, 2 * 1_445, 3_200),
        ([{"type": "image_url"}], {"model": "gpt-4o-mini"}, 48_169, 48_400),
        ([{"n": 1}] * 100_001, {}, 128_000, 910_000),
    ],
)
def test_it_is_bounded(content: Any, fields: dict[str, Any], at_least: int, at_most: int) -> None:
    assert at_least <= most(content, **fields) <= at_most


def test_of_a_long_text_the_first_part_is_counted_and_the_rest_bounded_by_its_bytes() -> None:
    dense = "\U0001f30a" * 20_000
    assert most("tide " * 10_000 + dense, model="gpt-4.1") >= 10_000 + len(dense.encode())


def test_nobody_reads_more_than_its_context() -> None:
    assert most("tide " * 200_000) <= max(128_000, int(200_000 * 1.3))


@pytest.mark.parametrize(("model", "name"), [("ft:gpt-4o:acme:x", "gpt-4o"), ("gpt-4o", "gpt-4o"), ("ft:", "ft:")])
def test_a_tuned_model_is_known_by_its_base(model: str, name: str) -> None:
    assert base_model(model) == name
