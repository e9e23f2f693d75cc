"""A termination signal is reported, and earlier handlers still get it."""

import asyncio
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.eventually import PATIENCE_SECONDS
from tidegate.core.process.shutdown import Shutdown


@pytest.fixture
def before() -> Iterator[list[int]]:
    """What an older handler was signals; afterwards everything is as it was."""
    signals: list[int] = []
    original = signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    yield signals
    signal.signal(signal.SIGTERM, original)


async def test_it_is_told_and_the_older_handler_too(before: list[int]) -> None:
    heard = asyncio.Event()
    ending = Shutdown(heard.set)
    await ending.start()
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)
    assert before == [signal.SIGTERM]
    await ending.close()
    signal.raise_signal(signal.SIGTERM)
    assert before == [signal.SIGTERM] * 2


async def test_whoever_took_the_signal_since_keeps_it(before: list[int]) -> None:
    ending = Shutdown(lambda: None)
    await ending.start()
    newer: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: newer.append(number))
    await ending.close()
    signal.raise_signal(signal.SIGTERM)
    assert (before, newer) == ([], [signal.SIGTERM])


async def test_two_may_end_in_any_order(before: list[int]) -> None:
    heard: list[str] = []
    one, other = Shutdown(lambda: heard.append("one")), Shutdown(lambda: heard.append("other"))
    await one.start()
    await other.start()
    await one.close()
    await other.close()
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    assert (before, heard) == ([signal.SIGTERM], [])


async def test_in_another_thread_nothing_is_heard() -> None:
    original = signal.getsignal(signal.SIGTERM)
    await asyncio.to_thread(lambda: asyncio.run(Shutdown(lambda: None).start()))
    assert signal.getsignal(signal.SIGTERM) == original


async def test_without_an_older_handler_the_process_ends_as_ever() -> None:
    code = (
        "import asyncio, os, signal\n"
        "from tidegate.core.process.shutdown import Shutdown\n"
        "async def main():\n"
        "    await Shutdown(lambda: None).start()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await asyncio.sleep(30)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == -signal.SIGTERM
