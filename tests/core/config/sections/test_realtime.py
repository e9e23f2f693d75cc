"""Each setting of sessions has a bound, and OpenAI's own as its default where it has one."""

import pytest
from pydantic import ValidationError

from tidegate.core.config import RealtimeConfig


def test_a_session_may_last_as_long_as_at_openai() -> None:
    config = RealtimeConfig()
    assert (config.max_session_seconds, config.max_event_bytes) == (3600.0, 16 * 1024 * 1024)


@pytest.mark.parametrize("setting", list(RealtimeConfig.model_fields))
def test_none_of_them_is_nothing(setting: str) -> None:
    with pytest.raises(ValidationError):
        RealtimeConfig(**{setting: 0})
