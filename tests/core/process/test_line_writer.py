"""Lines are written in order; output that takes none delays no call, and what is dropped is counted."""

import threading

from tests.eventually import wait_until
from tidegate.core.process.line_writer import MAX_WAITING_BYTES, LineWriter


def test_lines_are_written_in_order_and_at_the_end() -> None:
    written: list[bytes] = []
    writer = LineWriter(written.append)
    writer.start()
    for number in range(1000):
        writer.add(b"%d\n" % number)
    writer.close()
    assert b"".join(written) == b"".join(b"%d\n" % number for number in range(1000))
    assert writer.dropped == 0


def test_lines_that_come_together_are_written_together() -> None:
    written: list[bytes] = []
    writer = LineWriter(written.append, gather_seconds=60)
    writer.start()
    for line in (b"a\n", b"b\n", b"c\n"):
        writer.add(line)
    writer.close()
    assert written == [b"a\nb\nc\n"]


async def test_output_that_blocks_costs_lines_and_neither_time_nor_memory() -> None:
    gate, written = threading.Event(), []

    def blocked(data: bytes) -> None:
        gate.wait()
        written.append(data)

    writer = LineWriter(blocked)
    writer.start()
    line = b"x" * 1023 + b"\n"
    count = 2 * MAX_WAITING_BYTES // len(line)
    for _ in range(count):
        writer.add(line)
    assert writer.dropped > 0
    gate.set()
    await wait_until(lambda: sum(map(len, written)) // len(line) + writer.dropped == count)
    writer.close()


def test_output_that_fails_is_counted() -> None:
    def fails(_: bytes) -> None:
        raise BrokenPipeError

    writer = LineWriter(fails)
    writer.start()
    writer.add(b"a\n")
    writer.close()
    assert writer.dropped == 1


def test_a_line_after_the_end_is_written_at_once() -> None:
    written: list[bytes] = []
    writer = LineWriter(written.append)
    writer.start()
    writer.close()
    writer.add(b"late\n")
    assert written == [b"late\n"]


def test_what_was_dropped_is_told_once_the_output_takes_lines_again() -> None:
    written: list[bytes] = []
    fails = iter([True, True, False, False])

    def write(data: bytes) -> None:
        if next(fails):
            raise BlockingIOError
        written.append(data)

    writer = LineWriter(write, note=lambda lines: b"%d dropped\n" % lines)
    writer.start()
    writer.close()
    for line in (b"a\n", b"b\n", b"c\n", b"d\n"):
        writer.add(line)
    assert written == [b"2 dropped\nc\n", b"d\n"]
