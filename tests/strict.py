"""Documents held against the official client's own types, as strictly as these allow."""

from typing import Any

from pydantic import TypeAdapter

STRICT_RESPONSE = frozenset(
    "id object created_at status model output metadata completed_at incomplete_details previous_response_id "  # noqa: SIM905  # a sentence of keys is read more easily
    "instructions error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty "
    "frequency_penalty top_logprobs temperature reasoning usage max_output_tokens max_tool_calls store background "
    "service_tier safety_identifier prompt_cache_key".split()
)
"""Keys that some clients want in every Response, null where there is nothing to say."""


def valid(kind: Any, document: Any) -> Any:
    """The document as `kind`, an official type; fails where a required key is missing or a value of another type."""
    return TypeAdapter(kind).validate_python(document, strict=True)


def whole_response(document: dict[str, Any]) -> None:
    """Fails where a key is missing that strict clients want in a Response."""
    assert STRICT_RESPONSE - set(document) == set()
