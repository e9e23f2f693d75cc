"""Ids that tests can predict."""

from itertools import count

from tidegate.core.ids import IdSource


def counted_ids() -> IdSource:
    """Return ids in the order of the calls: `msg_1`, `fc_2`, and so on."""
    numbers = count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"
