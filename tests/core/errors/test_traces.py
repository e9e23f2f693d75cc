"""Tracebacks of an error, and of all that led to it, are dropped; a circle of causes is no endless loop."""

import pytest

from tidegate.core.errors import TidegateError
from tidegate.core.errors.traces import forget_traces


def fail() -> None:
    try:
        int("first")
    except ValueError as first:
        raise TidegateError("second") from first


def test_no_traceback_is_left() -> None:
    with pytest.raises(TidegateError) as raised:
        fail()
    error = raised.value
    cause = error.__cause__
    assert cause is not None
    cause.__context__ = error
    forget_traces(error)
    assert (error.__traceback__, cause.__traceback__) == (None, None)
