"""In by one atomic step, out by another: nobody asks twice what is stored or on its way, and every line is written."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.metering.ledger_parts import entry
from tidegate.admission.decision import Go, Hit, Join
from tidegate.admission.gate import Admission, Gate, Settlement
from tidegate.connections.redis import RedisLink
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.values import LedgerEntry
from tidegate.metering.ledger import encode

PRINT = "f" * 40
NOW = 1_790_000_000.0
ACCOUNT = {"served_model": "gpt-4o-mini-2024-07-18", "provider": "openai", "saved_nanos": 4_500}


class Door:
    """A gate as its callers use it, and a look behind it."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.link = link
        self.gate = Gate(link, prefix=prefix, lease_seconds=5.0)
        self.answer, self.flight, self.ledger = (
            f"{{{prefix}}}:{kind}" for kind in ("answer:" + PRINT, "flight:" + PRINT, "ledger")
        )

    async def ask(self, number: int = 1, **changes: Any) -> Go | Join | Hit:
        """Admit the request `number`."""
        ask = Admission(
            fingerprint=PRINT, owner=f"p:{number}", now=NOW, lookup=True, claim=True, max_age=None,
            hit_entry=encode(entry(number, cache="hit", cost_nanos=0)),
        )  # fmt: skip
        return await self.gate.admit(msgspec.structs.replace(ask, **changes))

    async def settle(self, number: int = 1, **changes: Any) -> None:
        """Settle it, its answer stored unless `changes` say otherwise."""
        done = Settlement(
            fingerprint=PRINT, owner=f"p:{number}", entry=encode(entry(number)), now=NOW, head=b"head\x00\xff",
            body=b"body\r\n\x00\xff", account=msgspec.json.encode(ACCOUNT), keep_seconds=60,
        )  # fmt: skip
        await self.gate.settle(msgspec.structs.replace(done, **changes))

    async def lines(self) -> list[LedgerEntry]:
        """What was written into the ledger's stream."""
        entries = await self.link.command("XRANGE", self.ledger, "-", "+")
        return [msgspec.json.decode(fields[1], type=LedgerEntry) for _, fields in entries if fields[0] == b"e"]


@pytest.fixture
def door(redis_link: RedisLink, redis_prefix: str) -> Door:
    return Door(redis_link, redis_prefix)


async def test_the_first_goes_and_the_others_join_it(door: Door) -> None:
    assert await door.ask(1) == Go(claimed=True)
    assert await door.ask(2) == Join(owner="p:1")
    assert await door.ask(3) == Join(owner="p:1")
    assert await door.lines() == []


async def test_of_many_at_once_exactly_one_goes(door: Door) -> None:
    decisions = await asyncio.gather(*(door.ask(number) for number in range(200)))
    [first] = [number for number, decision in enumerate(decisions) if isinstance(decision, Go)]
    assert decisions.count(Join(owner=f"p:{first}")) == 199


async def test_around_the_settlement_nobody_slips_through(door: Door) -> None:
    await door.settle(0, keep_seconds=0)  # from here on Redis knows both scripts
    await door.ask(1)
    asked = [asyncio.ensure_future(door.ask(number)) for number in range(2, 50)]
    settled = asyncio.ensure_future(door.settle(1))
    asked += [asyncio.ensure_future(door.ask(number)) for number in range(50, 100)]
    decisions = await asyncio.gather(*asked)
    await settled
    kinds = [type(decision) for decision in decisions]
    assert Go not in kinds
    assert kinds == [Join] * 48 + [Hit] * 50


async def test_a_stored_answer_comes_back_byte_for_byte(door: Door) -> None:
    await door.ask(1)
    await door.settle(1)
    hit = await door.ask(2)
    assert isinstance(hit, Hit)
    assert (hit.at, hit.head, hit.body) == (NOW, b"head\x00\xff", b"body\r\n\x00\xff")
    assert msgspec.json.decode(hit.account) == ACCOUNT


async def test_a_hit_writes_its_line_with_what_the_answer_saved(door: Door) -> None:
    await door.settle(1)
    await door.ask(2)
    asked, hit = await door.lines()
    assert asked == entry(1)
    assert hit == msgspec.structs.replace(
        entry(2, cache="hit", cost_nanos=0),
        served_model="gpt-4o-mini-2024-07-18", provider="openai", saved_nanos=4_500,
    )  # fmt: skip


async def test_an_answer_that_knows_nothing_of_its_cost_still_makes_a_whole_line(door: Door) -> None:
    await door.settle(1, account=b"{}")
    await door.ask(2)
    assert (await door.lines())[1] == entry(2, cache="hit", cost_nanos=0)


@pytest.mark.parametrize(
    ("age", "max_age", "will_do"),
    [
        (0, 0, True),
        (30, None, True),
        (30, 30, True),
        (30, 29, False),
        (30.5, 30, False),
        (-5, 0, True),
        (30, 2**31, True),
    ],
)
async def test_an_answer_that_is_older_than_the_caller_likes_is_none(
    door: Door, age: float, max_age: int | None, will_do: bool
) -> None:
    await door.settle(1)
    decision = await door.ask(2, now=NOW + age, max_age=max_age)
    assert isinstance(decision, Hit) is will_do
    assert len(await door.lines()) == 1 + will_do


async def test_who_wants_no_stored_answer_and_no_company_goes_alone(door: Door) -> None:
    await door.settle(1)
    assert await door.ask(2, lookup=False, claim=False) == Go(claimed=False)
    assert await door.ask(3, lookup=False) == Go(claimed=True)
    assert await door.ask(4, lookup=False, claim=False) == Go(claimed=False)


async def test_who_only_looks_claims_nothing(door: Door) -> None:
    assert await door.ask(1, claim=False) == Go(claimed=False)
    assert await door.ask(2) == Go(claimed=True)


async def test_settling_ends_ones_own_flight_and_no_other(door: Door) -> None:
    await door.ask(1)
    await door.settle(2, keep_seconds=0)
    assert await door.ask(3) == Join(owner="p:1")
    await door.settle(9, owner="", keep_seconds=0)
    assert await door.ask(3) == Join(owner="p:1")
    await door.settle(1, keep_seconds=0)
    assert await door.ask(3) == Go(claimed=True)


async def test_what_is_not_to_be_kept_is_written_down_but_not_stored(door: Door) -> None:
    await door.ask(1)
    await door.settle(1, keep_seconds=0)
    assert await door.lines() == [entry(1)]
    assert await door.link.command("EXISTS", door.answer, door.flight) == 0


async def test_a_newer_answer_takes_the_place_of_the_older(door: Door) -> None:
    await door.settle(1)
    await door.settle(2, now=NOW + 5, body=b"newer")
    hit = await door.ask(3)
    assert isinstance(hit, Hit)
    assert (hit.at, hit.body) == (NOW + 5, b"newer")


async def test_answers_and_claims_run_out(door: Door) -> None:
    await door.ask(1)
    await door.settle(2, keep_seconds=60)
    assert 55_000 < await door.link.command("PTTL", door.answer) <= 60_000
    assert 4_000 < await door.link.command("PTTL", door.flight) <= 5_000
    await door.link.command("PEXPIRE", door.answer, 1)
    await door.link.command("PEXPIRE", door.flight, 1)
    await asyncio.sleep(0.01)
    assert await door.ask(3) == Go(claimed=True)


async def test_settling_twice_writes_twice_and_breaks_nothing(door: Door) -> None:
    await door.ask(1)
    await door.settle(1)
    await door.ask(2, lookup=False)
    await door.settle(1)
    assert await door.ask(3, lookup=False) == Join(owner="p:2")
    assert await door.lines() == [entry(1), entry(1)], "the ledger counts a request id once"


async def test_all_keys_share_one_slot(door: Door, redis_prefix: str) -> None:
    await door.ask(1)
    await door.settle(1)
    await door.ask(2)
    await door.ask(3, lookup=False)
    keys = await door.link.command("KEYS", f"*{redis_prefix}*")
    assert sorted(keys) == sorted(key.encode() for key in (door.answer, door.flight, door.ledger))
    assert all(key.startswith(b"{%s}:" % redis_prefix.encode()) for key in keys)


async def test_a_redis_that_forgot_the_scripts_is_told_them_again(door: Door) -> None:
    await door.ask(1)
    await door.link.command("SCRIPT", "FLUSH")
    assert await door.ask(2) == Join(owner="p:1")
    await door.settle(1)
    assert isinstance(await door.ask(3), Hit)


async def test_without_redis_there_is_no_decision(redis_url: str, redis_prefix: str) -> None:
    away = Door(RedisLink(redis_url, timeout=0.2, clock=SystemClock()), redis_prefix)
    with pytest.raises(RedisUnavailable):
        await away.ask(1)
    with pytest.raises(RedisUnavailable):
        await away.settle(1)
