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


def expected_of_caller(case: CallerCase) -> CallerVerdict:
    """Return the expected verdict: a typed answer to the hostile caller, and no effect on the other one."""
    code = _refusal(case)
    return CallerVerdict(
        status=200 if code is None else 400,
        code=code,
        entries=("ok",) if code is None else (),
        neighbour="answered",
        neighbour_entries=(("ok", full_price(case.route)),),
    )


def _refusal(case: CallerCase) -> str | None:
    if case.place is None:
        return REFUSED_BODIES.get(case.choice)
    if case.place.name == "model":
        return REFUSED_MODELS.get(case.choice)
    if case.route is endpoints.RESPONSES:
        return REFUSED_METADATA.get((case.place.name, case.choice))
    return None
