"""The accounts of semantic answers in Redis, which all processes share."""

from enum import Enum
from typing import Any

import msgspec

from tidegate.cache.semantic.account import (
    MAX_PRICE,
    MIN_PRICE_DIVISOR,
    SUMS,
    AccountChange,
    AccountFigures,
    Rules,
)
from tidegate.core.clock import Clock
from tidegate.storage.names import RedisNames
from tidegate.storage.redis import RedisLink, Script

_pack = msgspec.msgpack.Encoder().encode
_MAX_COUNTED_AT_ONCE = 1000
"""Requests that are counted in one step of Redis; the others wait for the next one."""
_MIN_GIVEN = 200
"""From so many answers on, a scope is closed by the share of wrong ones."""


class Act(Enum):
    """What is written down of a request; `lua/semantic_settle.lua` describes each."""

    HOLD = "hold"
    CHARGE = "charge"
    JUDGE = "judge"
    NOTE = "note"


class AccountKey(msgspec.Struct, frozen=True, kw_only=True):
    """Names an account, and a scope within it."""

    mode: str
    """`shadow` or `on`: what was never given pays for nothing that is."""
    project: str
    scope: str


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """An account as a request finds it."""

    figures: AccountFigures
    answered: int = 0
    """Semantic answers of the request's scope, in shadow those that would have been given."""
    wrong: float = 0.0
    """Those of them that were judged wrong, weighted by the share that is audited."""

    def is_scope_open(self, max_wrong_ratio: float) -> bool:
        """Return whether the scope's semantic answers are seldom enough wrong."""
        return self.answered < _MIN_GIVEN or self.wrong <= max_wrong_ratio * self.answered


class AccountStore:
    """Read and change accounts. Every method raises RedisUnavailable."""

    def __init__(self, link: RedisLink, clock: Clock, *, prefix: str, judge_seconds: float) -> None:
        """`prefix` begins the names of Redis keys; after `judge_seconds` without a verdict an answer was wrong."""
        self._link = link
        self._clock = clock
        self._names = RedisNames(prefix)
        self._judge_seconds = judge_seconds
        self._enter = Script("semantic_enter")
        self._settle = Script("semantic_settle")
        self._uncounted: dict[tuple[str, str], int] = {}

    def count_later(self, mode: str, project: str) -> None:
        """Count a request that takes no part, such as an exact hit, with the next one that does."""
        key = (mode, project)
        self._uncounted[key] = self._uncounted.get(key, 0) + 1

    async def enter(self, key: AccountKey, rules: Rules) -> AccountState:
        """Count a request that may get an answer; return the account."""
        waiting = self._uncounted.pop((key.mode, key.project), 0)
        now = min(waiting, _MAX_COUNTED_AT_ONCE)
        if waiting > now:
            self._uncounted[key.mode, key.project] = waiting - now
        args = (self._now(), _pack(_rules(rules)), now, 1)
        figures, given, wrong = await self._link.run(self._enter, self._keys(key), args)
        return AccountState(figures=_figures(figures), answered=int(given), wrong=float(wrong))

    async def settle(
        self,
        key: AccountKey,
        rules: Rules,
        act: Act,
        request_id: str,
        change: AccountChange,
        *,
        tally_wrong: float = 0.0,
    ) -> bool:
        """Write down what a request did; return whether it was done: not while closed, and no verdict twice."""
        args = (
            self._now(), _pack(_rules(rules)), request_id, act.value, _pack(msgspec.structs.asdict(change)),
            self._judge_seconds, tally_wrong,
        )  # fmt: skip
        done, _ = await self._link.run(self._settle, self._keys(key), args)
        return bool(done)

    async def read(self, mode: str, project: str) -> AccountFigures:
        """Return an account as it is."""
        flat = await self._link.command("HGETALL", self._names.of("semantic_account", mode, project))
        return _figures(flat)

    def _keys(self, key: AccountKey) -> tuple[str, str, str]:
        return (
            self._names.of("semantic_account", key.mode, key.project),
            self._names.of("semantic_pending", key.mode, key.project),
            self._names.of("semantic_tally", key.mode, key.scope),
        )

    def _now(self) -> str:
        return f"{self._clock.now():.6f}"


def _rules(rules: Rules) -> dict[str, float]:
    return {
        "delta": rules.delta,
        "spent_share": rules.spent_share,
        "pace": rules.pace,
        "first_price": rules.first_price,
        "max_price": MAX_PRICE,
        "min_price_divisor": MIN_PRICE_DIVISOR,
    }


def _figures(flat: list[Any]) -> AccountFigures:
    """Return the figures that a script or `HGETALL` replied, as names and values."""
    values = {bytes(name).decode(): float(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
    sums = {name: values.get(name, 0.0) for name in SUMS if name != "pending"}
    return AccountFigures(
        requests=int(values.get("requests", 0)),
        price=values.get("price", 0.0),
        pending=int(values.get("pending", 0)),
        **sums,
    )
