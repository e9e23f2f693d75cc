"""Ids that a test can foresee."""

from itertools import count

from tidegate.core.ids import IdSource


def counted_ids() -> IdSource:
    """Ids in the order in which they are asked for: `msg_1`, `fc_2`, and so on."""
    numbers = count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"
