"""A header states how long a call may wait in the queue."""

import pytest

from tidegate.core.errors import InvalidParameter
from tidegate.pipeline.context import max_queue_seconds


@pytest.mark.parametrize(("stated", "seconds"), [(None, 120.0), ("0", 0.0), ("2.5", 2.5), ("3600", 3600.0)])
def test_a_call_may_say_how_long_it_waits(stated: str | None, seconds: float) -> None:
    headers = {} if stated is None else {"x-tidegate-deadline": stated}
    assert max_queue_seconds(headers, 120.0) == seconds


@pytest.mark.parametrize("stated", ["", "soon", "-1", "3601", "nan", "inf", "1e9"])
def test_what_is_no_wait_is_refused(stated: str) -> None:
    with pytest.raises(InvalidParameter):
        max_queue_seconds({"x-tidegate-deadline": stated}, 120.0)
