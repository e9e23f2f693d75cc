"""Translated annotations and log probabilities pass the official SDK's strict validation."""

import msgspec
import pytest
from openai.types.responses.response_output_text import AnnotationURLCitation, Logprob

from tidegate.wire.translate.annotations import annotation_of, logprob_of

CITATION = {"start_index": 0, "end_index": 2, "title": "t", "url": "https://example.com"}


@pytest.mark.parametrize(
    "value", [{"type": "url_citation", "url_citation": CITATION}, {"type": "url_citation", **CITATION}]
)
def test_a_citation_comes_flat(value: dict[str, object]) -> None:
    read = AnnotationURLCitation.model_validate_json(msgspec.json.encode(annotation_of(value)), strict=True)
    assert (read.url, read.end_index) == ("https://example.com", 2)


@pytest.mark.parametrize(
    "value",
    [
        {
            "token": "Hé",
            "logprob": -0.1,
            "bytes": None,
            "top_logprobs": [{"token": "Hé", "logprob": -0.1, "bytes": None}],
        },
        {"token": "Hé", "logprob": -0.1},
        {"token": "Hé", "logprob": -0.1, "bytes": [72, 195, 169], "top_logprobs": None},
    ],
)
def test_a_token_always_has_its_bytes(value: dict[str, object]) -> None:
    read = Logprob.model_validate_json(msgspec.json.encode(logprob_of(value)), strict=True)
    assert (read.bytes, read.logprob) == ([72, 195, 169], -0.1)
