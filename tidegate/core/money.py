"""Amounts of money: US dollars as decimal text outside, exact integers of nano-dollars inside."""

import re
from decimal import Decimal

NANOS = 1_000_000_000
"""Nano-dollars in a dollar."""
MAX_NANOS = 9_000_000 * NANOS
"""The largest amount that can be a limit: Redis counts in doubles, which are exact up to 2**53."""

_TEXT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


class InvalidAmount(ValueError):
    """A text that is not an amount of money; the message says how to write one."""


def nanos_of(text: str) -> int:
    """Return the nano-dollars of an amount in US dollars like "1.00" or "0.000001". Raises InvalidAmount."""
    if not _TEXT.fullmatch(text):
        raise InvalidAmount(
            f'{text!r} is not an amount in US dollars: write it like "1.00" or "0.000001", with up to nine decimals'
        )
    whole, _, decimals = text.partition(".")
    nanos = int(whole) * NANOS + int(f"{decimals:0<9}")
    if nanos > MAX_NANOS:
        raise InvalidAmount(f"{text} is more than {MAX_NANOS // NANOS:,} US dollars, the maximum of a limit")
    return nanos


def nanos_of_decimal(amount: Decimal) -> int:
    """Return the nano-dollars of an amount in US dollars, rounded down."""
    return int(amount * NANOS)
