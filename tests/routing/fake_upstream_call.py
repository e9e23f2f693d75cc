"""A call at the top of the ladder, with parts that a test holds in its hands."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random

import msgspec

from tests.routing.fake_slot import FakeSlot
from tidegate.core import endpoints
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import Clock
from tidegate.core.config import RetriesConfig
from tidegate.core.endpoints import Endpoint
from tidegate.core.values import AnswerHead, Outcome
from tidegate.providers.base import Provider
from tidegate.providers.target import Target
from tidegate.routing.call_services import CallSpec
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.health.registry import HealthRegistry
from tidegate.routing.plan import CannedReply, Plan
from tidegate.routing.upstream_call import UpstreamCall
from tidegate.wire.call import parse

COST = 1234
STALE = BufferedAnswer(head=AnswerHead(stream=False, served_by="openai/m", stale=True, age=60), events=(b'"old"',))
CANNED = BufferedAnswer(head=AnswerHead(stream=False, served_by="canned"), events=(b'"later"',))
BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class FakeUpstreamCall:
    """A call, and what is written down of it. Implements its `CallServices`."""

    affordable_retries = 100
    """Attempts that the budget has room for, after those that may be charged."""

    def __init__(
        self,
        board: HealthRegistry,
        providers: Mapping[str, Provider],
        clock: Clock,
        *targets: Target,
        route: Endpoint = endpoints.CHAT,
        stale: BufferedAnswer | None = None,
        canned: BufferedAnswer | None = None,
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
        self.slots: list[FakeSlot] = []
        self.lanes: list[str] = []
        self.pauses: list[float] = []
        self._more_turns = turns
        self._waits_for = waits_for
        self.chain = FallbackChain(
            providers=providers,
            health=board,
            retries=retries or RetriesConfig(max_retries=1, budget_min=100),
            total_seconds=total_seconds,
            clock=clock,
            random=Random(1),  # noqa: S311  # jitter is no secret
            pause=self._pause,
        )
        text = None if canned is None else CannedReply(text="later")
        self.plan = plan = Plan(model="m", targets=targets or (Target("openai", "m"),), canned=text)
        question = CallSpec(
            call=parse(route, msgspec.json.encode({**BODY, "stream": stream})),
            plan=plan,
            headers={},
            echo="",
            deadline=clock.now() + patience,
            first_step=self.chain.first_step(plan, deadline=clock.now() + patience) if first else None,
        )
        self._stale = stale
        self._canned = canned
        self.call = UpstreamCall(question, self, self.chain)

    @property
    def outcome(self) -> Outcome:
        """The one there is."""
        (outcome,) = self.outcomes
        return outcome

    async def remaining_events(self) -> list[bytes]:
        """Everything that comes from here on."""
        events = []
        while more := await self.call.more():
            events += more
        return events

    async def settle(self, outcome: Outcome) -> int:
        """Note the outcome."""
        await asyncio.sleep(0)
        self.outcomes.append(outcome)
        return COST

    async def reserve_retry(self) -> bool:
        """Return whether the budget has room left."""
        self.affordable_retries -= 1
        return self.affordable_retries >= 0

    async def stale_answer(self) -> BufferedAnswer | None:
        """Return the stale answer of this test."""
        return self._stale

    async def canned_reply(self) -> BufferedAnswer | None:
        """Return the canned reply of this test."""
        return self._canned

    def slot(self, send_to: SendTo, _: int) -> FakeSlot:
        """Return another slot, and note its lane."""
        self.lanes.append(send_to.lane)
        self.slots.append(FakeSlot(self._more_turns, waits_for=None if self.slots else self._waits_for))
        return self.slots[-1]

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
