"""A legacy completion with a wrong parameter is refused in OpenAI's words."""

from typing import Any

import pytest

from tidegate.simulator.checks.completions import COMPLETIONS
from tidegate.simulator.refusal import Refusal


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"messages": []}, "Unknown parameter: 'messages'"),
        ({"prompt": {}}, "Invalid type for 'prompt'"),
        ({"best_of": 21}, "above maximum value"),
        ({"stop": ["a"] * 5}, "array too long"),
    ],
)
def test_it_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        COMPLETIONS.check("", {"model": "m", "prompt": "a", **more})
