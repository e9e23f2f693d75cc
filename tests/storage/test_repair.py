"""A value that stops a command or script is set aside, and the command is repeated; other errors stay errors."""

from collections.abc import Sequence

import pytest
from redis.exceptions import NoScriptError, RedisError, ResponseError
from structlog.testing import capture_logs

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink
from tidegate.storage.repair import MAX_REPAIRS, is_unreadable, repaired_kinds, repairing
from tidegate.storage.script import Script


@pytest.mark.parametrize(
    ("error", "of_command", "of_script"),
    [
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), True, True),
        (ResponseError("ERR value is not an integer or out of range"), True, True),
        (ResponseError("ERR Error running script: attempt to perform arithmetic on a nil value"), False, True),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), False, False),
        (
            ResponseError("ERR Error running script: -READONLY You can't write against a replica."),
            False,
            False,
        ),
        (ResponseError("MOVED 1 127.0.0.1:7000"), False, False),
        (NoScriptError("NOSCRIPT No matching script."), False, False),
        (RedisError("the connection was lost"), False, False),
        (None, False, False),
    ],
)
def test_only_errors_about_values_lead_to_a_repair(
    error: BaseException | None, of_command: bool, of_script: bool
) -> None:
    assert (is_unreadable(error, of_script=False), is_unreadable(error, of_script=True)) == (of_command, of_script)


@pytest.mark.parametrize(
    "text",
    [
        "ERR Error running script (call to f_1): @user_script:9: REPAIRED holds:due lane.2 lane.2;",
        "REPAIRED holds:due lane.2; script: 4e1243bd22c66e76c2ba9eddc1f91394e57f9f83, on @user_script:9.",
    ],
    ids=["Redis 6.2", "Valkey"],
)
def test_the_kinds_stand_in_the_error(text: str) -> None:
    assert repaired_kinds(ResponseError(text)) == ["holds:due", "lane.2"]


def test_another_error_names_no_kinds() -> None:
    assert repaired_kinds(ResponseError("ERR syntax error")) == repaired_kinds(None) == []


class Endless(Script):
    """A script that finds another unreadable key each time."""

    def __init__(self) -> None:
        self.name = "endless"
        self.text = "redis.call('SET', KEYS[1], 'x') return redis.call('HGET', KEYS[1], 'x')"
        self.digest = "0" * 40


class Broken(Script):
    """A script with a fault of its own."""

    def __init__(self) -> None:
        self.name = "broken"
        self.text = "return 1 + nil"
        self.digest = "0" * 40


async def test_a_script_that_is_broken_itself_fails_and_nothing_is_set_aside(redis_link: RedisLink) -> None:
    with capture_logs() as logs, pytest.raises(RedisUnavailable, match="arithmetic"):
        await redis_link.run(Broken(), (), ())
    assert logs == []


async def test_repairs_end(redis_link: RedisLink, redis_prefix: str) -> None:
    key = RedisNames(redis_prefix).of("flight", "f")
    with capture_logs() as logs, pytest.raises(RedisUnavailable, match="in a row"):
        await redis_link.run(Endless(), (key,), ())
    assert [line["kind"] for line in logs] == ["flight"] * MAX_REPAIRS


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("keys:epoch", ("INCR", "KEY")),
        ("standing", ("HVALS", "KEY")),
        ("ledger", ("XGROUP", "CREATE", "KEY", "g", "0", "MKSTREAM")),
        ("ledger", ("XLEN", "KEY")),
    ],
)
async def test_a_command_is_repeated_without_the_value_that_stopped_it(
    redis_link: RedisLink, redis_prefix: str, kind: str, command: Sequence[str]
) -> None:
    names = RedisNames(redis_prefix)
    key = names.of(kind)
    await redis_link.command("DEL", key)
    await redis_link.command("SET", key, "nonsense")
    with capture_logs() as logs:
        await redis_link.command(*(key if part == "KEY" else part for part in command))
    assert [(line["log_level"], line["kind"]) for line in logs] == [("error", kind)]
    aside = await redis_link.command("KEYS", names.start("ledger:set_aside") + "*")
    assert [await redis_link.command("GET", one) for one in aside] == ([b"nonsense"] if kind == "ledger" else [])
    await redis_link.command("DEL", key, *aside)


async def test_an_epoch_that_cannot_be_read_becomes_one_that_no_process_has_seen(
    redis_link: RedisLink, redis_prefix: str
) -> None:
    key = RedisNames(redis_prefix).of("keys:epoch")
    await redis_link.command("SET", key, "nonsense")
    await redis_link.repair(key)
    assert int(await redis_link.command("GET", key)) > 1_700_000_000
    await redis_link.command("DEL", key)


async def test_a_key_of_another_application_is_left_alone(redis_link: RedisLink, redis_prefix: str) -> None:
    key = f"{redis_prefix}:theirs"
    await redis_link.command("SET", key, "x")
    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        await redis_link.command("HVALS", key)
    assert await redis_link.command("GET", key) == b"x"


def test_a_repairing_script_contains_the_script() -> None:
    assert Script("admit").text in repairing(Script("admit"))
