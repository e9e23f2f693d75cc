"""`[call_log]` writes every call by default, in the shape of the platform; what is no share or shape is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.core.config import CallLogConfig


def test_every_call_has_a_line_by_default() -> None:
    config = CallLogConfig()
    assert (config.level, config.shape, config.sample_ratio) == ("all", "auto", 1.0)


@pytest.mark.parametrize(
    "wrong", [{"level": "some"}, {"shape": "xml"}, {"sample_ratio": 1.5}, {"namespace": "a b"}, {"sample": 1}]
)
def test_what_is_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CallLogConfig(**wrong)
