"""Lines are written in order; output that takes none delays no call, and what is dropped is counted."""

import threading

from tests.eventually import wait_until
from tidegate.monitoring.call_log.writer import MAX_WAITING_BYTES, LineWriter


async def test_lines_are_written_in_order_and_at_the_end() -> None:
    written: list[bytes] = []
    writer = LineWriter(written.append)
    await writer.start()
    for number in range(1000):
        writer.add(b"%d\n" % number)
    await writer.close()
    assert b"".join(written) == b"".join(b"%d\n" % number for number in range(1000))
    assert writer.dropped == 0


async def test_lines_that_come_together_are_written_together() -> None:
    written: list[bytes] = []
    writer = LineWriter(written.append, gather_seconds=60)
    await writer.start()
    for line in (b"a\n", b"b\n", b"c\n"):
        writer.add(line)
    await writer.close()
    assert written == [b"a\nb\nc\n"]


async def test_output_that_blocks_costs_lines_and_neither_time_nor_memory() -> None:
    gate, written = threading.Event(), []

    def blocked(data: bytes) -> None:
        gate.wait()
        written.append(data)

    writer = LineWriter(blocked)
    await writer.start()
    line = b"x" * 1023 + b"\n"
    count = 2 * MAX_WAITING_BYTES // len(line)
    for _ in range(count):
        writer.add(line)
    assert writer.dropped > 0
    gate.set()
    await wait_until(lambda: sum(map(len, written)) // len(line) + writer.dropped == count)
    await writer.close()


async def test_output_that_fails_is_counted() -> None:
    def fails(_: bytes) -> None:
        raise BrokenPipeError

    writer = LineWriter(fails)
    await writer.start()
    writer.add(b"a\n")
    await writer.close()
    assert writer.dropped == 1
