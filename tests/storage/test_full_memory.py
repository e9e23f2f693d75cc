"""A full Redis takes small writes up to a tenth beyond its memory; more than that is refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from tests.storage.redis_servers import fill_memory, redis_server
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.events import Event, EventName
from tidegate.storage.full_memory import is_full, writing_anyway
from tidegate.storage.redis import RedisLink, Script


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), True),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'. script: f0, on @user_script:1."), True),
        (ResponseError("ERR Error running script (call to f0): @user_script:1: -OOM command not allowed"), True),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), False),
        (ResponseError("ERR no such key BOOM"), False),
        (NoScriptError("No matching script."), False),
        (None, False),
    ],
)
def test_a_full_redis_is_known_by_its_error(error: BaseException | None, full: bool) -> None:
    assert is_full(error) is full


def test_a_script_that_writes_anyway_ends_with_the_script() -> None:
    reap = Script("reap")
    assert writing_anyway(reap).endswith(reap.text)
    assert writing_anyway() != writing_anyway(reap)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
async def link(tmp_path: Path, events: list[Event]) -> AsyncIterator[RedisLink]:
    async with redis_server(tmp_path, "maxmemory-policy noeviction") as port:
        link = RedisLink(f"redis://127.0.0.1:{port}", timeout=2.0, clock=SystemClock(), on_event=events.append)
        await link.start()
        yield link
        await link.close()


async def test_commands_and_scripts_write_into_the_tenth_beyond(link: RedisLink, events: list[Event]) -> None:
    await fill_memory(link, 1.04)
    assert await link.command("SET", "{t}:a", "1", "NX", "PX", 60_000) == b"OK"
    assert await link.command("SET", "{t}:a", "1", "NX", "PX", 60_000) is None
    assert await link.command("INCR", "{t}:n") == 1
    assert await link.command("XGROUP", "CREATE", "{t}:ledger", "drain", "0", "MKSTREAM") == b"OK"
    announce = Script("announce_process")
    for _ in range(2):  # known by its digest, and not
        assert await link.run(announce, ("{t}:alive:p1", "{t}:processes"), ("p1", 60_000, "1.0")) == 1
    assert Event(EventName.REDIS_REFUSED) in events, "an operator should know that Redis is full"


async def test_beyond_the_tenth_it_is_an_outage(link: RedisLink) -> None:
    await fill_memory(link, 1.5)
    with pytest.raises(RedisUnavailable, match="memory"):
        await link.command("INCR", "{t}:n")
    with pytest.raises(RedisUnavailable, match="memory"):
        await link.run(Script("announce_process"), ("{t}:alive:p1", "{t}:processes"), ("p1", 60_000, "1.0"))
    assert await link.command("GET", "{t}:n") is None


async def test_a_command_of_the_wrong_type_still_repairs(link: RedisLink) -> None:
    await link.command("SET", "{t}:processes", "no set")
    await fill_memory(link, 1.04)
    assert await link.command("ZRANGE", "{t}:processes", 0, -1) == []
