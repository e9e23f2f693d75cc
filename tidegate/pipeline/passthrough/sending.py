"""Sends a call that passes through: chooses the credential, waits for its slot, and goes on to the next if refused."""

from collections.abc import Iterator

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import (
    InsufficientQuota,
    InvalidUpstreamKey,
    NoUpstreamKey,
    OrganizationMismatch,
    SlowDown,
    TidegateError,
    UpstreamError,
    UpstreamRateLimited,
)
from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.values import Outcome
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.providers.base import Credential, OperationExchange, OperationProvider, OperationRequest
from tidegate.providers.target import Target
from tidegate.queue.messages import QueueEntry
from tidegate.queue.slot import QueueSlot, QueueSlots
from tidegate.routing.error_scope import ErrorScope, error_scope
from tidegate.routing.health import credential_state
from tidegate.routing.health.credential_state import CredentialStatus
from tidegate.routing.health.registry import HealthRegistry

_OTHER_MAY_ANSWER = (InvalidUpstreamKey, OrganizationMismatch, InsufficientQuota, UpstreamRateLimited, SlowDown)
"""Refusals that concern the credential: another one may be answered."""


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One call to be sent."""

    request: OperationRequest
    model: str
    """The model whose capacity it takes; empty where it takes none."""
    place: OwnedPlace | None
    """The only credential that has the objects that the call names; None where each may be used."""
    can_be_sent_again: bool
    entry: QueueEntry


class SentOperation:
    """A call that was sent, and whose answer has begun with success, or has failed with `error`."""

    def __init__(self, provider: str, clock: Clock) -> None:
        """Nothing is sent yet."""
        self.provider = provider
        self.credential = ""
        self.exchange: OperationExchange | None = None
        self.error: TidegateError | None = None
        self.first_byte_seconds: float | None = None
        self.attempts = 0
        self.queued_seconds = 0.0
        self.hold: MemoryHold | None = None
        """What holds the memory of an answer that is read whole."""
        self._slot: QueueSlot | None = None
        self._clock = clock
        self._sent_at = clock.monotonic()

    def take_slot(self, slot: QueueSlot) -> None:
        """Keep the place in the queue that the call has now."""
        self._slot = slot

    def note_sent(self, credential: str) -> None:
        """Note that the call is sent now."""
        self.credential = credential
        self.attempts += 1
        self._sent_at = self._clock.monotonic()

    def note_head(self) -> None:
        """Note that the answer has begun."""
        self.first_byte_seconds = self._clock.monotonic() - self._sent_at

    def outcome(self, error: TidegateError | None, usage: bytes | None = None, model: str | None = None) -> Outcome:
        """Return how the call ended."""
        exchange = self.exchange
        return Outcome(
            error=error,
            reported_error=error,
            usage=usage,
            model=model,
            sent=self.attempts > 0,
            first_byte_seconds=self.first_byte_seconds,
            upstream_request_id=None if exchange is None else exchange.headers.get("x-request-id"),
            provider=self.provider,
            credential=self.credential or None,
            attempts=max(1, self.attempts),
            seconds=self._clock.monotonic() - self._sent_at if self.attempts else 0.0,
            queued_ms=round(1000 * self.queued_seconds),
        )

    def close(self) -> None:
        """Cut the connection, unless the answer was read to its end, and give slot and memory back."""
        if self.hold is not None:
            self.hold.release()
        if self.exchange is not None:
            self.exchange.close()
        if self._slot is not None:
            self._slot.release()
            self._slot = None


class OperationSender:
    """Sends calls to one provider."""

    def __init__(
        self, provider: OperationProvider, *, health: HealthRegistry, queue_slots: QueueSlots, clock: Clock
    ) -> None:
        self._provider = provider
        self._health = health
        self._queue_slots = queue_slots
        self._clock = clock

    @property
    def provider_name(self) -> str:
        """The provider's configured name."""
        return self._provider.name

    async def send(self, sending: Sending, sent: SentOperation) -> None:
        """Send a call until a credential's answer begins with success, and note what happens in `sent`.

        Raises UpstreamError, QueueFull, QueueTimeout, and what a streamed body raises.
        """
        failure: TidegateError | None = None
        for credential in self._credentials(sending):
            if failure is not None and not sending.can_be_sent_again:
                break
            try:
                await self._send_with(credential, sending, sent)
            except _OTHER_MAY_ANSWER as error:
                failure = error
                sent.close()
                continue
            return
        raise failure or NoUpstreamKey

    async def _send_with(self, credential: Credential, sending: Sending, sent: SentOperation) -> None:
        slot = await self._wait_for_slot(credential, sending, sent)
        target = Target(self._provider.name, sending.model)
        has_new_key = False
        while True:
            sent.exchange = exchange = self._provider.operation_exchange(sending.request, credential)
            sent.note_sent(credential.name)
            try:
                await exchange.wait_for_head()
                sent.note_head()
                error = None if 200 <= exchange.status < 300 else await exchange.read_refusal()
            except UpstreamError:
                if slot is not None:
                    slot.report_failure()
                raise
            if error is None:
                self._health.note_answer(target, credential)
                if slot is not None:
                    slot.report_answer(exchange.reported_limits(), ok=True)
                return
            if isinstance(error, InvalidUpstreamKey) and sending.can_be_sent_again and not has_new_key:
                has_new_key = True  # one more try with each credential
                if await self._provider.renew_key(credential):
                    continue
            self._note_refusal(target, credential, error, slot, exchange)
            raise error

    async def _wait_for_slot(self, credential: Credential, sending: Sending, sent: SentOperation) -> QueueSlot | None:
        if not sending.model:
            return None
        lane = f"{self._provider.name}/{credential.name}/{sending.model}"
        slot = self._queue_slots.slot(lane, sending.entry, None)
        sent.take_slot(slot)
        try:
            await slot.wait()
        finally:
            sent.queued_seconds += slot.waited_seconds
        return slot

    def _note_refusal(
        self,
        target: Target,
        credential: Credential,
        error: UpstreamError,
        slot: QueueSlot | None,
        exchange: OperationExchange,
    ) -> None:
        limited = isinstance(error, UpstreamRateLimited | SlowDown)
        if error_scope(error) is ErrorScope.CREDENTIAL or (limited and target.model):
            self._health.note_failure(target, credential, error)
        if slot is None:
            return
        if isinstance(error, UpstreamRateLimited | SlowDown):
            slot.report_rate_limit(exchange.reported_limits(), error)
        elif error.retryable:
            slot.report_failure()
        else:
            slot.report_answer(exchange.reported_limits(), ok=False)

    def _credentials(self, sending: Sending) -> Iterator[Credential]:
        """Yield the credentials to try: the one that has the objects, else the usable ones before the others."""
        now, snapshot = self._clock.now(), self._health.snapshot
        target, place = Target(self._provider.name, sending.model), sending.place
        states = [
            (each, snapshot.credential(target, each))
            for each in self._provider.credentials
            if place is None or each.name == place.credential
        ]
        usable = [each for each, state in states if credential_state.is_usable(state, now)]
        # where none is usable, the answer says why; what an operator has suspended is not tried
        yield from usable or [each for each, state in states if state.status is not CredentialStatus.SUSPENDED]
