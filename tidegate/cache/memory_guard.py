"""Watches the memory of Redis. Stored answers are a convenience: budgets, limits and the ledger come first.

While little is free, nothing is stored, and the answers that expire first are dropped. Between two looks the script
that stores an answer keeps all of them within `quota`, so that no burst can fill Redis.
"""

import re

import msgspec
import structlog

from tidegate.cache.answer_space import AnswerSpace, AnswerUsage
from tidegate.core.errors import RedisUnavailable
from tidegate.core.events import Event, EventName, EventSink, ignore_event
from tidegate.core.periodic import PeriodicTask
from tidegate.core.values import NO_QUOTA, AnswerQuota
from tidegate.storage.redis import RedisLink

CHECK_SECONDS = 5.0
PRESSED_RATIO = 0.75
"""Of the memory of Redis. The rest is for everything that is no stored answer."""
RELIEVED_RATIO = 0.7
"""Answers are dropped down to this part, and stored again from there on."""
DEFAULT_MEMORY = 256 * 1024 * 1024
"""Bytes, assumed where Redis does not tell."""

_BATCH_SIZE = 500
"""Answers; one step stops Redis for about two milliseconds."""
_MAX_BATCHES = 100
_MAX_EMPTY_BATCHES = 10
"""Batches without an answer in any index: then Redis is full of other things, and only strays are looked for."""
_CLAIM_RATIO = 0.9
_RETRY_SECONDS = 0.5

_log = structlog.get_logger("cache")
_POLICY = re.compile(rb"^maxmemory_policy:([\w-]+)", re.MULTILINE)
_MEMORY_FIELD = re.compile(rb"^(used_memory|maxmemory|total_system_memory):(\d+)", re.MULTILINE)


class RedisMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of Redis, in bytes."""

    used: int
    limit: int

    policy: str = "noeviction"
    """What Redis does at its limit."""

    def beyond(self, ratio: float) -> int:
        """Return how many bytes more than this part are used; not positive where there are none."""
        return int(self.used - ratio * self.limit)


class RedisMemoryGuard:
    """Look at the memory of Redis every few seconds, between `start` and `close`."""

    def __init__(  # noqa: PLR0913  # a parameter for each bound
        self,
        link: RedisLink,
        space: AnswerSpace,
        *,
        memory_ratio: float,
        project_ratio: float,
        max_memory_bytes: int | None = None,
        check_seconds: float = CHECK_SECONDS,
        on_event: EventSink = ignore_event,
    ) -> None:
        """`max_memory_bytes` is the memory of a Redis that names no bound of its own."""
        self._link = link
        self._space = space
        self._memory_ratio = memory_ratio
        self._project_ratio = project_ratio
        self._max_memory = max_memory_bytes
        self._claim_seconds = _CLAIM_RATIO * check_seconds
        self._on_event = on_event
        self._task = PeriodicTask(
            "redis-memory",
            self._check,
            every=lambda failures: min(check_seconds, _RETRY_SECONDS) if failures else check_seconds,
            wait_first=True,
            quiet=(RedisUnavailable,),
        )
        self.memory = RedisMemory(used=0, limit=max_memory_bytes or DEFAULT_MEMORY)
        """As of the last look."""
        self.usage = AnswerUsage()
        """Of the stored answers, as of the last look."""
        self.quota = NO_QUOTA
        """For stored answers: none before the first look, and while little memory is free."""
        self._pressed = self._refusal_logged = False

    async def start(self) -> None:
        """Look for the first time, and begin to look again and again."""
        await self.check()
        await self._task.start()

    async def close(self) -> None:
        """Stop."""
        await self._task.close()

    async def check(self) -> None:
        """Look now. While Redis is down, the last result stays."""
        await self._task.run_round()

    async def _check(self) -> None:
        memory = await self._read_memory()
        is_mine, self.usage = await self._space.tidy(claim_seconds=self._claim_seconds)
        if memory.policy not in ("noeviction", self.memory.policy):
            remedy = "set maxmemory-policy to noeviction"
            _log.warning("redis may evict budgets and ledger entries", policy=memory.policy, remedy=remedy)
        self.memory = memory
        self._judge()
        self.quota = NO_QUOTA if self._pressed else self._free_quota()
        if is_mine and self._pressed:
            await self._relieve()

    async def _read_memory(self) -> RedisMemory:
        try:
            return _read(await self._link.command("INFO", "memory"), self._max_memory)
        except RedisUnavailable as error:
            if not self._link.up or error.__cause__ is None:  # away, or not even asked
                raise
            if not self._refusal_logged:
                _log.warning("redis does not tell its memory: its use is not watched", detail=error.message)
            self._refusal_logged = True
            return RedisMemory(used=0, limit=self._max_memory or DEFAULT_MEMORY)

    def _free_quota(self) -> AnswerQuota:
        """Return the configured room, or what everything else in Redis leaves of it."""
        unused = max(0, -self.memory.beyond(RELIEVED_RATIO))
        total = min(int(self._memory_ratio * self.memory.limit), self.usage.total_bytes + unused)
        return AnswerQuota(project_bytes=int(self._project_ratio * total), total_bytes=total)

    def _judge(self) -> None:
        ratio = RELIEVED_RATIO if self._pressed else PRESSED_RATIO
        pressed = self.memory.beyond(ratio) >= 0
        if pressed is not self._pressed:
            self._pressed = pressed
            self._log_change()

    async def _relieve(self) -> None:
        """Drop answers until enough is free. A bound keeps the round short; the next one goes on."""
        missing, count, empty = self.memory.beyond(RELIEVED_RATIO), 0, 0
        for _ in range(_MAX_BATCHES):
            if missing <= 0 or empty == _MAX_EMPTY_BATCHES:
                break
            dropped, freed = await self._space.drop(missing, limit=_BATCH_SIZE)
            if not dropped:
                count, empty = count + await self._space.drop_unknown(), empty + 1
            missing, count = missing - freed, count + dropped
        if count:
            self._on_event(Event(EventName.ANSWERS_DROPPED, count))
            _log.info("stored answers dropped to free memory of redis", answers=count)

    def _log_change(self) -> None:
        figures = {"used_bytes": self.memory.used, "max_bytes": self.memory.limit}
        if self._pressed:
            remedy = "give Redis more memory, or lower cache.stale_for_seconds"
            _log.warning("redis is nearly full: storing no answers, dropping the oldest", remedy=remedy, **figures)
        else:
            _log.info("redis has memory again: storing answers", **figures)


def _read(memory_info: bytes, max_memory: int | None) -> RedisMemory:
    """Return what Redis says of its memory. Its limit is the smallest one named, or else the memory of its machine."""
    fields = {name: int(value) for name, value in _MEMORY_FIELD.findall(memory_info)}
    named = [limit for limit in (fields.get(b"maxmemory"), max_memory) if limit]
    machine = fields.get(b"total_system_memory") or DEFAULT_MEMORY
    policy = _POLICY.search(memory_info)
    return RedisMemory(
        used=fields.get(b"used_memory", 0),
        limit=min(named, default=machine),
        policy="noeviction" if policy is None else policy[1].decode(),
    )
