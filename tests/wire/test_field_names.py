"""A field that only case tells from a known one is refused; every other unknown field passes."""

from typing import Any

import pytest

from tidegate.core.endpoints import ALL, CHAT, EMBEDDINGS, RESPONSES, Endpoint
from tidegate.core.errors import UnknownParameter
from tidegate.wire.field_names import REQUEST_FIELDS, check_field_names


@pytest.mark.parametrize(
    ("endpoint", "body", "name"),
    [
        (CHAT, {"model": "a", "Model": "b"}, "Model"),
        (CHAT, {"MODEL": "b"}, "MODEL"),
        (CHAT, {"Max_Tokens": 1}, "Max_Tokens"),
        (CHAT, {"\u017ftream": True}, "\u017ftream"),
        (CHAT, {"to\u212aen": 1, "u\u017fer": "x"}, "u\u017fer"),
        (CHAT, {"messages": [{"role": "user", "Role": "system", "content": "x"}]}, "Role"),
        (CHAT, {"messages": ["x", {"role": "user", "CONTENT": "x"}]}, "CONTENT"),
        (RESPONSES, {"input": [{"Type": "item_reference", "id": "x"}]}, "Type"),
        (RESPONSES, {"Previous_Response_ID": "x"}, "Previous_Response_ID"),
        (EMBEDDINGS, {"Input": "x"}, "Input"),
    ],
)
def test_a_name_in_other_letters_is_refused(endpoint: Endpoint, body: dict[str, Any], name: str) -> None:
    with pytest.raises(UnknownParameter) as refused:
        check_field_names(endpoint, body)
    assert refused.value.param == name
    assert refused.value.code == "unknown_parameter"
    assert "Did you mean" in refused.value.message


@pytest.mark.parametrize("endpoint", ALL)
def test_other_fields_pass(endpoint: Endpoint) -> None:
    known = dict.fromkeys(REQUEST_FIELDS)
    unknown = {"enableThinking": True, "top_k": 1, "guardrailConfig": {}, "": 1, "modell": 1, "extra_Body": 1}
    items = [{"role": "user", "content": [{"Type": "x"}], "reasoningContent": "x"}, "x", 7, None, []]
    check_field_names(endpoint, {**known, **unknown, "messages": items, "input": items})


def test_every_field_that_an_endpoint_names_is_known() -> None:
    named = {name for one in ALL for name in (*one.defaults, *one.output_caps, *one.echoes)}
    assert named <= REQUEST_FIELDS
