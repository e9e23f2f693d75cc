"""What the semantic tier did in a project: decisions, verdicts, what it saved and cost, and whether it is ready."""

from math import sqrt
from typing import Final

import msgspec

from tidegate.cache.semantic.account import AccountFigures, Rules, is_open, wrong_bound
from tidegate.cache.semantic.state.accounts import AccountStore
from tidegate.storage.postgres import Postgres, queries

KEY_PREFIX: Final = "semantic-"
"""Of the key that the ledger names for calls of verifier and judge; the project follows."""
_ASK: Final = "ask"
_MIN_REQUESTS: Final = 500
_MIN_AUDITS: Final = 100
_Z: Final = 1.645
"""For an upper bound that holds in 95 of 100 cases."""


class ActionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of one kind."""

    mode: str
    action: str
    """`direct`, `verified`, `alias` or `ask`."""
    requests: int
    audited: int
    right: int
    wrong: int
    saved_nanos: int


class ModeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided in one mode."""

    mode: str
    actions: tuple[ActionSummary, ...]
    account: AccountFigures
    delta: float

    @property
    def answers(self) -> int:
        """Semantic answers; in shadow, those that would have been given."""
        return sum(each.requests for each in self.actions if each.action != _ASK)

    @property
    def judged(self) -> int:
        """Those of them that have a verdict."""
        return sum(each.right + each.wrong for each in self.actions)

    @property
    def wrong(self) -> int:
        """Those that were judged wrong."""
        return sum(each.wrong for each in self.actions)

    @property
    def saved_nanos(self) -> int:
        """What these answers had cost, in nano-dollars."""
        return sum(each.saved_nanos for each in self.actions)

    @property
    def wrong_share(self) -> float:
        """The share of the account's requests that were wrong, or may have been."""
        return wrong_bound(self.account) / self.account.requests if self.account.requests else 0.0

    @property
    def wrong_ratio_bound(self) -> float:
        """The share of judged answers that were wrong, at most, in 95 of 100 cases."""
        return upper_bound(self.wrong, self.judged)

    @property
    def false_yes(self) -> tuple[int, int]:
        """Answers that the verifier allowed and the judge found wrong, of those that have both verdicts."""
        verified = [each for each in self.actions if each.action == "verified"]
        return sum(each.wrong for each in verified), sum(each.right + each.wrong for each in verified)

    @property
    def is_open(self) -> bool:
        """Whether an answer may be given now."""
        return is_open(self.account, Rules(delta=self.delta))

    @property
    def verdict(self) -> str:
        """Return `ready`, or why the tier should not be turned on yet."""
        requests = self.account.requests
        if requests < _MIN_REQUESTS:
            return f"not ready: {requests} of {_MIN_REQUESTS} requests were seen"
        if self.judged < _MIN_AUDITS:
            return f"not ready: {self.judged} of {_MIN_AUDITS} answers were judged"
        if self.wrong_share > self.delta:
            return (
                f"not ready: {self.wrong_share:.2%} of requests may have been wrong, and {self.delta:.2%} are allowed"
            )
        return "ready"


class ModelCallsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of verifier or judge."""

    route: str
    calls: int
    cost_nanos: int


class SemanticSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the tier did in a project."""

    project: str
    modes: tuple[ModeSummary, ...]
    calls: tuple[ModelCallsSummary, ...]

    @property
    def net_saved_nanos(self) -> int:
        """What was saved, or in shadow would have been, less the calls of verifier and judge."""
        return sum(each.saved_nanos for each in self.modes) - sum(each.cost_nanos for each in self.calls)


class AuditedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was given, or would have been, with the questions side by side."""

    request_id: str
    at: float
    """Unix seconds."""
    mode: str
    action: str
    score: float
    verdict: bool | None
    question: str
    cached_question: str
    """The question whose answer it was; empty for a wording that got it before."""
    answer: str
    scope: str


class SemanticReports:
    """Report on the tier. Raises PostgresUnavailable and RedisUnavailable."""

    def __init__(self, postgres: Postgres, accounts: AccountStore) -> None:
        self._postgres = postgres
        self._accounts = accounts
        self._sql = queries("semantic")

    async def summary(self, project: str, *, since: float, delta: float) -> SemanticSummary:
        """Return what was decided since a time, in Unix seconds; `delta` is what the project allows."""
        accounts = {mode: await self._accounts.read(mode, project) for mode in ("shadow", "on")}
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["summary"], project, since)
            calls = await connection.fetch(self._sql["calls"], project, f"{KEY_PREFIX}{project}", since)
        actions = [
            ActionSummary(
                mode=row["mode"],
                action=row["action"],
                requests=row["requests"],
                audited=row["audited"],
                right=row["rightly"],
                wrong=row["wrongly"],
                saved_nanos=int(row["saved_nanos"]),
            )
            for row in rows
        ]
        modes = []
        for mode in dict.fromkeys(each.mode for each in actions):
            of_mode = tuple(each for each in actions if each.mode == mode)
            modes.append(ModeSummary(mode=mode, actions=of_mode, account=accounts[mode], delta=delta))
        summed = [
            ModelCallsSummary(route=row["route"], calls=row["calls"], cost_nanos=int(row["cost_nanos"]))
            for row in calls
        ]
        return SemanticSummary(project=project, modes=tuple(modes), calls=tuple(summed))

    async def audits(self, project: str, *, wrong: bool, unjudged: bool, limit: int) -> list[AuditedAnswer]:
        """Return the newest answers that were judged; only those that were wrong, or also those without a verdict."""
        async with self._postgres.connection() as connection:
            rows = await connection.fetch(self._sql["audits"], project, wrong, unjudged, limit)
        return [AuditedAnswer(**dict(row)) for row in rows]


def upper_bound(wrong: int, judged: int) -> float:
    """Return the share that was wrong at most, in 95 of 100 cases (Wilson's interval); 1 where none was judged."""
    if not judged:
        return 1.0
    share = wrong / judged
    middle = share + _Z**2 / (2 * judged)
    width = _Z * sqrt(share * (1 - share) / judged + _Z**2 / (4 * judged**2))
    return min(1.0, (middle + width) / (1 + _Z**2 / judged))
