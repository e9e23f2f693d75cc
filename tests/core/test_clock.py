"""The system clock advances by itself, the tests' clock only by `advance`."""

import time

from tidegate.core.clock import Clock, ManualClock, SystemClock


def test_the_systems_clock_goes_with_the_machines() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now() - time.time()) < 1
    first, second = clock.monotonic(), clock.monotonic()
    assert first <= second <= time.monotonic()


def test_the_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(start=1000.0)
    assert [clock.now(), clock.monotonic(), clock.now()] == [1000.0, 0.0, 1000.0]
    clock.advance(2.5)
    clock.advance(0.5)
    assert (clock.now(), clock.monotonic()) == (1003.0, 3.0)
