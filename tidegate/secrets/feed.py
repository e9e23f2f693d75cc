"""Brings new secrets to the parts of a process that use them, and asks for a read where a key was refused."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

import structlog

from tidegate.core.clock import Clock
from tidegate.core.config.secret_reference import SecretReference
from tidegate.core.periodic import PeriodicTask
from tidegate.core.scrub import remember_secret
from tidegate.secrets.schedule import FORCED_SECONDS
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.watch import SecretReport


class Use(Enum):
    """What becomes of a new secret."""

    IN_USE = "in use"
    REFUSED = "refused"
    """It cannot be used; the old one stays in use."""
    LATER = "later"
    """It could not be tried; the old one stays in use, and the new one is offered again."""


Subscriber = Callable[[SecretReading], Awaitable[Use]]
"""Takes a new secret into use, if it can be used."""

_ANSWER_SECONDS = 10.0
"""For which a call waits for a read that it asked for."""
_OFFER_SECONDS = 5.0
"""Between two offers of a secret that could not be tried."""

_log = structlog.get_logger("secrets")


class SecretFeed:
    """One process's feed. All of it runs in the process's event loop."""

    def __init__(self, ask: Callable[[SecretReference], None], clock: Clock) -> None:
        """`ask` has the replica's watch read a secret soon."""
        self._ask = ask
        self._clock = clock
        self._subscribers: dict[SecretReference, list[Subscriber]] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._waiting: dict[SecretReference, tuple[SecretReading, Callable[[SecretReport], None]]] = {}
        """Secrets that could not be tried."""
        self._offers = PeriodicTask("secret-offers", self._offer_again, every=_OFFER_SECONDS, wait_first=True)
        self._asked: dict[SecretReference, tuple[float, asyncio.Future[bool]]] = {}

    def __repr__(self) -> str:
        return f"<SecretFeed: {sum(map(len, self._subscribers.values()))} subscribers>"

    def subscribe(self, reference: SecretReference, subscriber: Subscriber) -> None:
        """Call `subscriber` with each new secret of this place."""
        self._subscribers.setdefault(reference, []).append(subscriber)

    def take(self, report: SecretReport, on_used: Callable[[SecretReport], None] = lambda _: None) -> None:
        """Pass on what the watch has found, in the background; `on_used` is called once all use it."""
        if report.reading is not None:
            remember_secret(str(report.reference), report.reading.text)  # before anything can fail because of it
        task = asyncio.create_task(self._deliver(report, on_used), name="secret-turns")
        self._deliveries.add(task)
        task.add_done_callback(self._end_delivery)

    async def start(self) -> None:
        """Begin to offer secrets again that could not be tried."""
        await self._offers.start()

    async def close(self) -> None:
        """Deliver no more."""
        await self._offers.close()
        for task in list(self._deliveries):
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)

    async def _deliver(self, report: SecretReport, on_used: Callable[[SecretReport], None]) -> None:
        is_used = report.reading is not None and await self._offer(report.reference, report.reading, on_used)
        _, answer = self._asked.get(report.reference, (0.0, None))
        if answer is not None and not answer.done():
            answer.set_result(is_used)

    def _end_delivery(self, delivery: asyncio.Task[None]) -> None:
        self._deliveries.discard(delivery)
        if not delivery.cancelled() and (error := delivery.exception()) is not None:
            _log.error("a new secret could not be delivered; the old one stays in use", exc_info=error)

    async def _offer(
        self, reference: SecretReference, reading: SecretReading, on_used: Callable[[SecretReport], None]
    ) -> bool:
        """Offer a secret to all that use it; return whether all do from now on."""
        if reference not in self._subscribers:
            _log.info("a new secret is used from the next start on", reference=str(reference), version=reading.version)
            return False
        uses = {await subscriber(reading) for subscriber in self._subscribers[reference]}
        is_told, _ = self._waiting.pop(reference, (None, None))
        if Use.LATER in uses:
            self._waiting[reference] = reading, on_used
        worst = next((use for use in (Use.REFUSED, Use.LATER) if use in uses), Use.IN_USE)
        if worst is not Use.LATER or is_told != reading:
            _tell(worst, reference, reading)
        if worst is Use.IN_USE:
            on_used(SecretReport(reference, reading))
        return worst is Use.IN_USE

    async def _offer_again(self) -> None:
        for reference, waiting in list(self._waiting.items()):
            if self._waiting.get(reference) == waiting:  # a newer secret may have come meanwhile
                await self._offer(reference, *waiting)

    async def refreshed(self, reference: SecretReference) -> bool:
        """Have a secret read again, at most once a minute; return whether another one is in use now."""
        asked_at, answer = self._asked.get(reference, (float("-inf"), None))
        now = self._clock.monotonic()
        if answer is None or now - asked_at >= FORCED_SECONDS:
            answer = asyncio.get_running_loop().create_future()
            self._asked[reference] = now, answer
            self._ask(reference)
        elif answer.done() or now - asked_at >= _ANSWER_SECONDS:
            return False
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await asyncio.shield(answer)
        except TimeoutError:
            return False


def _tell(use: Use, reference: SecretReference, reading: SecretReading) -> None:
    tell = _log.info if use is Use.IN_USE else _log.error
    kept = "" if use is Use.IN_USE else "; the old one stays in use"
    tell(f"a new secret is {use.value}{kept}", reference=str(reference), version=reading.version)
