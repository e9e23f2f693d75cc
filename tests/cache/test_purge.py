"""What a purge selects goes, also what an older release stored; all else stays, and nothing comes back afterwards."""

from typing import Any

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.cache import purge as module
from tidegate.cache.answer_space import AnswerSpace
from tidegate.cache.near_answers import NEAR_SECONDS
from tidegate.cache.purge import CLOCK_SKEW_SECONDS, AnswerPurge, PurgeSelection
from tidegate.core.clock import ManualClock
from tidegate.limits.decision import SendUpstream
from tidegate.storage.redis import RedisLink

ANSWERS: dict[str, dict[str, Any]] = {
    "a": {"project": "shop", "model": "gpt-5", "request_id": "req_a"},
    "b": {"project": "shop", "model": "gpt-5-mini", "request_id": "req_b"},
    "c": {"project": "t/a:x", "model": "gpt-5", "request_id": "req_c"},
    "d": {"project": "t", "model": "ft:gpt-5:x", "request_id": "req_d"},
}
OLD_FIELDS = ("in", "model", "by")


class Answers:
    """Stored answers, and what purges them."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.calls = ScriptCalls(link, prefix)
        self.waits: list[float] = []
        self.purge = AnswerPurge(link, prefix=prefix, pause=self.pause)
        self.space = AnswerSpace(link, ManualClock(NOON), prefix=prefix)

    async def pause(self, seconds: float) -> None:
        """Wait for no time, and note it."""
        self.waits.append(seconds)

    async def store(self, name: str, *, began: float = NOON, **fields: Any) -> None:
        """Store the answer of a call."""
        request = self.calls.request(name, ())
        admitted = await self.calls.scripts.admit(request)
        assert isinstance(admitted, SendUpstream)
        kept = {"head": b"h", "body": b"b" * 1000, "fresh_seconds": 600.0, "began": began}
        await self.calls.settle(request, admitted.dataset_id, **{**kept, **fields})

    async def names(self) -> list[str]:
        """Return which are stored."""
        keys = await self.calls.link.command("KEYS", f"{self.calls.key_prefix}:answer:*")
        return sorted(key.decode().rpartition(":")[2] for key in keys)

    async def total_bytes(self) -> int:
        """Return what the indexes say that all answers take."""
        keys = await self.calls.link.command("KEYS", f"{self.calls.key_prefix}:answers_in:*")
        sums = [await self.calls.link.command("ZSCORE", key, "") for key in keys]
        return sum(-int(total) for total in sums)


@pytest.fixture
async def answers(redis_link: RedisLink, redis_prefix: str) -> Answers:
    made = Answers(redis_link, redis_prefix)
    for name, fields in ANSWERS.items():
        await made.store(name, end_user=f"user-{name}", **fields)
    return made


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (PurgeSelection(), ""),
        (PurgeSelection(request_id="req_b"), "acd"),
        (PurgeSelection(request_id="req_x"), "abcd"),
        (PurgeSelection(model="gpt-5"), "bd"),
        (PurgeSelection(model="ft:gpt-5:x"), "abc"),
        (PurgeSelection(project="shop"), "cd"),
        (PurgeSelection(project="t/a:x"), "abd"),
        (PurgeSelection(project="t"), "abc"),
        (PurgeSelection(project="shop", model="gpt-5"), "bcd"),
    ],
)
async def test_what_is_selected_goes_with_its_place_in_the_indexes(
    answers: Answers, selection: PurgeSelection, left: str
) -> None:
    before = await answers.total_bytes()
    assert await answers.purge.purge(selection) == 4 - len(left)
    assert "".join(await answers.names()) == left
    assert await answers.total_bytes() == before * len(left) // 4
    indexed = await answers.calls.link.command("KEYS", f"{answers.calls.key_prefix}:answers_of:*")
    assert sorted(key.decode()[-1] for key in indexed) == list(left)
    assert await answers.purge.purge(selection) == 0


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (PurgeSelection(), ""),
        (PurgeSelection(project="shop"), "cd"),
        (PurgeSelection(model="gpt-5"), ""),
        (PurgeSelection(project="shop", model="gpt-5"), "cd"),
        (PurgeSelection(model="o3"), "abcd"),
    ],
)
async def test_answers_of_an_older_release_go_too(answers: Answers, selection: PurgeSelection, left: str) -> None:
    for name in ANSWERS:
        key = f"{answers.calls.key_prefix}:answer:{name}"
        await answers.calls.link.command("HDEL", key, *OLD_FIELDS)
        await answers.calls.link.command("HSET", key, "account", '{"served_model":"gpt-5-2025-08-07"}')
    assert await answers.purge.purge(selection) == 4 - len(left)
    assert "".join(await answers.names()) == left


async def test_many_answers_are_purged_in_batches(answers: Answers) -> None:
    for number in range(1300):
        await answers.store(f"n{number}", project="shop", model="m")
    assert await answers.purge.purge(PurgeSelection(project="shop")) == 1302
    assert await answers.names() == ["c", "d"]


@pytest.mark.parametrize(
    ("selection", "stored"),
    [
        (PurgeSelection(), False),
        (PurgeSelection(request_id="req_new"), False),
        (PurgeSelection(project="a:b"), False),
        (PurgeSelection(model="gpt:5"), False),
        (PurgeSelection(project="a:b", model="gpt:5"), False),
        (PurgeSelection(request_id="req_other"), True),
        (PurgeSelection(project="a"), True),
        (PurgeSelection(model="gpt"), True),
        (PurgeSelection(project="a:b", model="gpt"), True),
    ],
)
async def test_a_call_in_progress_stores_nothing_that_was_purged(
    answers: Answers, selection: PurgeSelection, stored: bool
) -> None:
    seconds, micros = await answers.calls.link.command("TIME")
    now = int(seconds) + int(micros) / 1e6
    await answers.purge.purge(selection)
    new = {"project": "a:b", "model": "gpt:5", "request_id": "req_new"}
    await answers.store("old", began=now - 1, **new)
    assert ("old" in await answers.names()) is stored
    await answers.store("new", began=now + CLOCK_SKEW_SECONDS + 60, **new)
    assert "new" in await answers.names(), "a call that begins later is stored"


async def test_the_notes_of_purges_are_bounded(answers: Answers) -> None:
    for number in range(module.MAX_NOTES + 1):
        await answers.calls.link.command("HSET", f"{answers.calls.key_prefix}:purged", f"request:{number}", 1)
    await answers.purge.purge(PurgeSelection(request_id="req_x"))
    key = f"{answers.calls.key_prefix}:purged"
    assert await answers.calls.link.command("HKEYS", key) == [b"all"], "one note for all says as much, and more"
    assert await answers.calls.link.command("TTL", key) > 86_400


async def test_a_purge_ends_when_processes_no_longer_give_what_redis_gave_them(answers: Answers) -> None:
    await answers.purge.purge(PurgeSelection())
    assert await answers.names() == []
    assert answers.waits == [NEAR_SECONDS]
