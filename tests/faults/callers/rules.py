"""The expected result of each case, from a few rules written by hand."""

from tests.faults.callers.cases import CallerCase
from tests.faults.callers.runner import CallerVerdict
from tests.faults.rules import full_price
from tidegate.core import endpoints

REFUSED_MODELS = {
    "a NUL": "invalid_value",
    "a line break": "invalid_value",
    "right to left": "invalid_value",
    "a zero-width letter": "invalid_value",
    "257 letters": "invalid_value",
    "100 kB": "invalid_value",
    "nothing": "missing_required_parameter",
}
"""The texts that cannot name a model, and the code of the refusal."""
REFUSED_METADATA = {
    ("metadata name", "256 letters"): "property_name_above_max_length",
    ("metadata name", "257 letters"): "property_name_above_max_length",
    ("metadata name", "100 kB"): "property_name_above_max_length",
    ("metadata value", "100 kB"): "string_above_max_length",
}
"""What a Response may not have as metadata, which the gateway may have to store. OpenAI alone judges chat's."""
REFUSED_BODIES = {
    "no byte": "empty_body",
    "only spaces": "empty_body",
    "a number": "body_not_an_object",
    "a string": "body_not_an_object",
    "null": "body_not_an_object",
    "an array": "body_not_an_object",
    "an empty object": "missing_required_parameter",
    "cut JSON": "body_not_json",
    "two documents": "body_not_json",
    "UTF-16": "body_not_json",
    "no UTF-8": "body_not_json",
    "NaN": "body_not_json",
    "a huge number": "body_not_json",
    "a number of 5,000 digits": "body_not_json",
    "900 levels": "body_not_json",
    "100,000 levels": "body_not_json",
    "another case of a field": "unknown_parameter",
}
"""The bodies that are refused, and the code of the refusal. All others go upstream."""

LARGE_HEADS = {"1,000 fields", "20,000 fields", "a cookie of a megabyte", "a name of 100 kB"}
"""The heads of more than 64 KiB or 200 fields."""
MALFORMED_HEADS = {
    "a folded line",
    "a field without a name",
    "a line without a colon",
    "a space in a name",
    "a space before the colon",
    "a NUL in a name",
    "a NUL in a value",
    "a CR in a value",
    "no ASCII in a name",
    "two hosts",
    "two lengths",
    "a length and chunks",
    "an unknown coding of the transfer",
}
"""The heads that HTTP forbids (RFC 9112), of which two servers could read different requests."""


def expected_of_caller(case: CallerCase) -> CallerVerdict:
    """Return the expected verdict: a typed answer to the hostile caller, and no effect on the other one."""
    status, code = _head_refusal(case.choice) if case.is_head else _body_refusal(case)
    return CallerVerdict(
        status=status,
        code=code,
        entries=("ok",) if code is None else (),
        neighbour="answered",
        neighbour_entries=(("ok", full_price(case.route)),),
    )


def _head_refusal(head: str) -> tuple[int, str | None]:
    if head in LARGE_HEADS:
        return 431, "headers_too_large"
    if head == "two keys":
        return 401, "several_api_keys"
    return (400, "malformed_http") if head in MALFORMED_HEADS else (200, None)


def _body_refusal(case: CallerCase) -> tuple[int, str | None]:
    code = _code_of(case)
    return 200 if code is None else 400, code


def _code_of(case: CallerCase) -> str | None:
    if case.place is None:
        return REFUSED_BODIES.get(case.choice)
    if case.place.name == "model":
        return REFUSED_MODELS.get(case.choice)
    if case.route is endpoints.RESPONSES:
        return REFUSED_METADATA.get((case.place.name, case.choice))
    return None
