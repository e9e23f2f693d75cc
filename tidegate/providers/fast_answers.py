"""Answers that come faster than they are passed on take turns, with a rest after each. Used by the transport.

An answer of 20,000 events that an upstream sends at once keeps a process busy for half a second. All other calls would
wait for a part of it at each of their own steps. So such answers together take about a third of the time.
"""

import asyncio

TURN_BYTES = 8 * 1024
"""What is read of a stream in one turn: less than a millisecond's work."""
FREE_BYTES = 64 * 1024
"""What an answer may send at once before it takes turns: ordinary ones are smaller."""
_REST_SECONDS = 0.002
"""For each turn of any answer."""
_MAX_WAIT_SECONDS = 1.0


class FastAnswers:
    """The turns of one process."""

    def __init__(self) -> None:
        self._free_at = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = asyncio.get_running_loop().time()
        self._free_at = min(max(self._free_at, now) + _REST_SECONDS, now + _MAX_WAIT_SECONDS)
        await asyncio.sleep(self._free_at - now)
