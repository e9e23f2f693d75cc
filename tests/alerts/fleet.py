"""Replicas that judge alerts together over real stores, on a clock that the test moves."""

from collections.abc import Callable, Sequence
from random import Random

from tests.alerts.calls import Traffic
from tidegate.alerts.delivery import AlertDelivery
from tidegate.alerts.figures import SLOT_SECONDS
from tidegate.alerts.judge import AlertJudge
from tidegate.alerts.message import AlertMessage
from tidegate.alerts.outbox import Outbox
from tidegate.alerts.recorder import AlertRecorder
from tidegate.alerts.sharing import FigureSharing, PostgresFigures, RedisFigures
from tidegate.alerts.spending import AlertDay, SpendingReader
from tidegate.alerts.store import AlertStore
from tidegate.alerts.thresholds import Thresholds
from tidegate.core.clock import ManualClock
from tidegate.core.errors import PostgresUnavailable
from tidegate.core.ids import new_id
from tidegate.limits.budget_calendar import BudgetCalendar
from tidegate.limits.budget_store import BudgetStore
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

START = 1_795_737_600.0
"""2026-11-27 00:00 UTC."""
Change = tuple[int, str]


class Inbox:
    """A channel that keeps what it receives."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.messages: list[AlertMessage] = []
        self.changes: list[Change] = []
        """The minute, and what the message says."""

    async def send(self, message: AlertMessage) -> None:
        self.messages.append(message)
        self.changes.append((int(self._clock.monotonic() // 60), f"{message.alert} {message.kind}"))


class SwitchedFigures(RedisFigures):
    """Figures in a Redis that goes and comes back."""

    def __init__(self, redis: RedisLink, prefix: str) -> None:
        super().__init__(redis, prefix=prefix, expire_seconds=600)

    def use(self, redis: RedisLink) -> None:
        self._redis = redis


class Replica:
    """The alerts of one process."""

    def __init__(self, fleet: "Fleet", postgres: Postgres, redis: RedisLink) -> None:
        clock, thresholds = fleet.clock, fleet.thresholds
        name = new_id("p")
        self.recorder = AlertRecorder(thresholds, clock)
        self.delivery = AlertDelivery(Outbox(postgres), {"inbox": fleet.inbox}, clock)
        calendar = BudgetCalendar(fleet.zone)
        counters = BudgetStore(redis, prefix=fleet.prefix, calendar=calendar)

        async def read_counter(now: float) -> int:
            [spending] = await counters.read(["all"], now)
            return spending.day.spent

        def day_of(now: float) -> AlertDay:
            period = calendar.period(now)
            return AlertDay(period.day, period.day_start, period.midnight)

        self.in_redis = SwitchedFigures(redis, fleet.prefix)
        self.judge = AlertJudge(
            thresholds,
            clock,
            process=name,
            recorder=self.recorder,
            sharing=FigureSharing(name, [self.in_redis, PostgresFigures(postgres)]),
            store=AlertStore(postgres, redis, prefix=fleet.prefix),
            spending=SpendingReader(postgres, day_of, read_counter),
            delivery=self.delivery,
            known_causes=lambda: ("target openai/gpt-4o-mini is down: connection refused",),
            ids=new_id,
        )

    async def work(self) -> None:
        """Judge and deliver once, as the background tasks do."""
        await self.judge.judge()
        try:
            await self.delivery.deliver()
        except PostgresUnavailable:
            return  # what it holds itself is sent


class Fleet:
    """Replicas on the same stores, the traffic that they share, and the messages that arrive."""

    def __init__(self, postgres: Postgres, redis: RedisLink, prefix: str, *, zone: str = "UTC") -> None:
        self.clock = ManualClock(START)
        self.thresholds = Thresholds()
        self.prefix, self.zone = prefix, zone
        self.inbox = Inbox(self.clock)
        self.postgres, self.redis = postgres, redis
        self.replicas: list[Replica] = []
        self._rng = Random(1)  # noqa: S311  # not for secrets

    def start(self, count: int = 1, *, postgres: Postgres | None = None, redis: RedisLink | None = None) -> None:
        """Start more replicas."""
        for _ in range(count):
            self.replicas.append(Replica(self, postgres or self.postgres, redis or self.redis))

    def kill(self, number: int) -> None:
        """End a replica without any notice: its memory is lost."""
        del self.replicas[number]

    def lose_redis(self, instead: RedisLink) -> None:
        """Have all replicas share figures by another link."""
        for replica in self.replicas:
            replica.in_redis.use(instead)

    async def play(self, *parts: Traffic, each_slot: Callable[[int], None] = lambda _: None) -> Sequence[Change]:
        """Spread traffic over the replicas, let them work after each slot; return what has arrived until now."""
        for part in parts:
            for slot in range(part.slots):
                each_slot(slot)
                for number, report in enumerate(part.calls(slot, self._rng)):
                    self.replicas[number % len(self.replicas)].recorder.observe(report)
                for replica in list(self.replicas):
                    await replica.work()
                self.clock.advance(SLOT_SECONDS)
        return self.inbox.changes
