"""The upstream's timeouts are long enough for slow answers."""

import pytest
from pydantic import ValidationError

from tidegate.core.config.sections.upstream import UpstreamConfig


def test_the_clocks_are_those_a_slow_answer_survives() -> None:
    upstream = UpstreamConfig()
    clocks = (upstream.connect_seconds, upstream.first_byte_seconds, upstream.idle_seconds, upstream.total_seconds)
    assert clocks == (5.0, 180.0, 60.0, 600.0)


@pytest.mark.parametrize("name", ["first_byte_seconds", "total_seconds"])
def test_clocks_that_cut_answers_that_are_alive_are_refused_unless_that_is_wanted(name: str) -> None:
    with pytest.raises(ValidationError, match=r"59\.9 s.*allow_short_timeouts"):
        UpstreamConfig.model_validate({name: 59.9})
    assert getattr(UpstreamConfig.model_validate({name: 1, "allow_short_timeouts": True}), name) == 1
    assert getattr(UpstreamConfig.model_validate({name: 60}), name) == 60
