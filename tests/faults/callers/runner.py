"""Plays the cases: a hostile caller sends its choice, and then another caller of the same model calls."""

import asyncio
from collections.abc import Iterable

import aiohttp
import msgspec

from tests.faults import scripts, speech
from tests.faults.callers.cases import CallerCase
from tests.faults.callers.choices import SHARED_MODEL
from tests.faults.callers.heads import HEADS, send
from tests.faults.endings import ended
from tests.faults.upstream import running_upstream
from tests.harness import Answer, Gateway, Json, World
from tidegate.auth.grants import KeyChange, LimitsChange, ProjectChange
from tidegate.auth.project_store import ProjectStore
from tidegate.core.clock import SystemClock
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

AT_ONCE = 16
PATIENCE_SECONDS = 60.0
_GENEROUS = LimitsChange(rpm=10**6, tpm=10**9, concurrency=1000, budget_day=10**15)
"""Limits that no case reaches: every script that enforces limits runs."""


class CallerVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a hostile call and the next call of another caller brought."""

    status: int
    code: str | None
    """The error's code; None for an answer."""
    entries: tuple[str, ...]
    """The outcomes of the hostile call's ledger entries."""
    neighbour: str
    """`answered`, or what happened to the other caller instead."""
    neighbour_entries: tuple[tuple[str, int], ...]
    """The outcome and the cost, in nano-dollars, of the other caller's ledger entries."""


class _Seen(msgspec.Struct, frozen=True):
    hostile: Answer | str
    neighbour: Answer | str


async def play(world: World, cases: Iterable[CallerCase]) -> dict[str, CallerVerdict]:
    """Return the verdict on each case, by its id."""
    async with running_upstream(scripts.good) as upstream:
        sections = {
            "upstream": {"base_url": f"{upstream.root}/first/v1"},
            "redis": {"timeout_seconds": 10.0},
            "metering": {"unknown_model_price": {"input": 10, "output": 40}},  # cases choose the names of models
        }
        async with world.gateway(**sections) as gateway:
            hostile, quiet = [await _limited(world, gateway, project) for project in ("hostile", "quiet")]
            at_once = asyncio.Semaphore(AT_ONCE)

            async def one(case: CallerCase) -> _Seen:
                async with at_once:
                    sent = await _call(hostile, case, case.body, HEADS[case.choice] if case.is_head else None)
                    return _Seen(sent, await _call(quiet, case, _question(case)))

            listed = list(cases)
            seen = await asyncio.gather(*(one(case) for case in listed))
            entries = {line["id"]: line for line in await world.all_entries()}
    return {case.id: _verdict(case, what, entries) for case, what in zip(listed, seen, strict=True)}


async def _limited(world: World, gateway: Gateway, project: str) -> Gateway:
    """Return a client whose key, project and end users all have limits."""
    key = await world.keys.create(project=project, grants=KeyChange(limits=_GENEROUS))
    postgres = Postgres(world.stores.database_url, size=1, timeout=10.0)
    redis = RedisLink(world.stores.redis_url, timeout=2.0, clock=SystemClock())
    await redis.start()
    try:
        change = ProjectChange(limits=_GENEROUS, user_limits=_GENEROUS)
        await ProjectStore(postgres, redis, prefix=world.prefix).update(project, change)
    finally:
        await redis.close()
        await postgres.close()
    return Gateway(gateway.root, key.token, gateway.http)


def _question(case: CallerCase) -> Json:
    """Return a new question of the other caller, for the same model and from the end user `tide`."""
    body = speech.request(case.route, SHARED_MODEL, stream=case.stream)
    return {**body, "user": "tide", "x_unique": case.id}


async def _call(caller: Gateway, case: CallerCase, body: bytes | Json, head: list[bytes] | None = None) -> Answer | str:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            if head is not None and isinstance(body, bytes):
                return await send(caller, speech.PATHS[case.route], head, body)
            return await caller.call(speech.PATHS[case.route], body, content_type="application/json")
    except TimeoutError:
        return "it hung"
    except (aiohttp.ClientError, ConnectionError, UnicodeDecodeError) as error:
        return type(error).__name__


def _verdict(case: CallerCase, seen: _Seen, entries: dict[str, Json]) -> CallerVerdict:
    hostile = seen.hostile
    status, code = (0, hostile) if isinstance(hostile, str) else (hostile.status, _code(hostile))
    return CallerVerdict(
        status=status,
        code=code,
        entries=tuple(line["outcome"] for line in _entries(hostile, entries)),
        neighbour=_described(case, seen.neighbour),
        neighbour_entries=tuple((line["outcome"], line["cost_nanos"]) for line in _entries(seen.neighbour, entries)),
    )


def _entries(answer: Answer | str, entries: dict[str, Json]) -> list[Json]:
    line = None if isinstance(answer, str) else entries.get(answer.headers.get("x-request-id", ""))
    return [] if line is None else [line]


def _code(answer: Answer) -> str | None:
    if answer.status == 200:
        return None
    error = answer.error
    assert set(error) >= {"message", "type", "param", "code"}, error
    return str(error["code"] or error["type"])


def _described(case: CallerCase, answer: Answer | str) -> str:
    if isinstance(answer, str):
        return answer
    end, code = ended(case.route, answer)
    return "answered" if end in ("whole", "stream") else f"{answer.status} {end} {code}"
