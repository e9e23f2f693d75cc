"""A call at the top of the ladder, with parts that a test holds in its hands."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Any

import msgspec

from tests.routing.turns import PlayedTurn
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.config import RetriesConfig
from tidegate.core.endpoints import Endpoint
from tidegate.core.values import AnswerHead, Outcome, Ready
from tidegate.providers.base import Provider
from tidegate.providers.target import Target
from tidegate.routing.fallback_policy import Ask
from tidegate.routing.health.registry import Board
from tidegate.routing.plan import Canned, Plan
from tidegate.routing.upstream_call import Asking, Ladder, Question, Ways
from tidegate.wire.call import parse

COST = 1234
STALE = Ready(head=AnswerHead(stream=False, served_by="openai/m", stale=True, age=60), events=(b'"old"',))
CANNED = Ready(head=AnswerHead(stream=False, served_by="canned"), events=(b'"later"',))
BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class Asked:
    """A call, and what is written down of it."""

    affordable = 100
    """Attempts that the budget has room for, after those that may be charged."""

    def __init__(
        self,
        board: Board,
        providers: Mapping[str, Provider],
        clock: Clock,
        *targets: Target,
        route: Endpoint = endpoints.CHAT,
        stale: Ready | None = None,
        canned: Ready | None = None,
        patience: float = 60.0,
        stream: bool = False,
        retries: RetriesConfig | None = None,
        total_seconds: float = 600.0,
        turns: int = 0,
        waits_for: Callable[[], Awaitable[object]] | None = None,
        first: bool = False,
    ) -> None:
        """`turns` are those given after refusals; `waits_for` is what the first turn waits for.

        `first` has the first step decided now.
        """
        self.outcomes: list[Outcome] = []
        self.turns: list[PlayedTurn] = []
        self.lanes: list[str] = []
        self.pauses: list[float] = []
        self._more_turns = turns
        self._waits_for = waits_for
        self.ladder = Ladder(
            providers=providers,
            board=board,
            retries=retries or RetriesConfig(most=1, floor=100),
            total_seconds=total_seconds,
            clock=clock,
            random=Random(1),  # noqa: S311  # jitter is no secret
            pause=self._pause,
        )
        text = None if canned is None else Canned(text="later")
        plan = Plan(model="m", targets=targets or (Target("openai", "m"),), canned=text)
        question = Question(
            call=parse(route, msgspec.json.encode({**BODY, "stream": stream})),
            plan=plan,
            headers={},
            echo="",
            deadline=clock.now() + patience,
            first=self.ladder.first(plan, deadline=clock.now() + patience) if first else None,
        )
        ways = Ways(
            turns=self._turn, settle=self._settle, stale=_giving(stale), canned=_giving(canned), afford=self._afford
        )
        self.asking = Asking(question, ways, self.ladder)

    @property
    def outcome(self) -> Outcome:
        """The one there is."""
        (outcome,) = self.outcomes
        return outcome

    async def rest(self) -> list[bytes]:
        """Everything that comes from here on."""
        events = []
        while more := await self.asking.more():
            events += more
        return events

    async def _settle(self, outcome: Outcome) -> int:
        await asyncio.sleep(0)
        self.outcomes.append(outcome)
        return COST

    async def _afford(self) -> bool:
        self.affordable -= 1
        return self.affordable >= 0

    def _turn(self, ask: Ask, _: int) -> PlayedTurn:
        self.lanes.append(ask.lane)
        self.turns.append(PlayedTurn(self._more_turns, waits_for=None if self.turns else self._waits_for))
        return self.turns[-1]

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def _giving(ready: Ready | None) -> Any:
    async def give() -> Ready | None:
        return ready

    return give
