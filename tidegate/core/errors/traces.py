"""Drops tracebacks of errors that are kept after they were handled."""

from typing import TypeVar

AnyError = TypeVar("AnyError", bound=BaseException)


def forget_traces(error: AnyError) -> AnyError:
    """Drop the tracebacks of an error and of those that led to it; return the error.

    The parts of a call keep its error, and the traceback keeps their frames: a cycle, which would hold the call's body
    until the collector finds it.
    """
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            pending += [one.__cause__, one.__context__]
    return error
