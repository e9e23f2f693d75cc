"""One upstream call: send it at once, fall back where that fails, and settle before the last byte.

The pipeline makes an `UpstreamCall` for each request that the cache cannot answer, and reads it as a flight's source.
The usual call is one straight line: it is sent in its caller's own task, and each caller that reads waits for the next
bytes itself. Everything else is a `FallbackSearch`, which comes into being with a task of its own where the call has to
wait before it is sent, or fails. The call settles exactly one outcome, with the failed attempts in it, before the
caller gets the last event, the whole body or the error. So whatever the caller received is accounted for.
"""

import asyncio
import contextlib

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.errors import ClientDisconnected, TidegateError, UnfinishedAnswer
from tidegate.core.errors.traces import forget_traces
from tidegate.core.values import AnswerHead, Outcome
from tidegate.routing.attempt import Attempt
from tidegate.routing.attempt_outcome import attempt_outcome
from tidegate.routing.attempt_runner import AttemptRunner
from tidegate.routing.call_services import CallServices, CallSpec
from tidegate.routing.fallback_chain import FallbackChain, FallbackSearch
from tidegate.routing.fallback_policy import FallbackStep, SendTo

_DRAIN_SECONDS = 0.02
"""For which an abandoned stream is read on."""
CANNED = "canned"
"""The provider that the ledger names for a canned reply."""


class UpstreamCall:
    """One call. Implements `tidegate.coalescing.flight.FlightSource`.

    `services.settle` is awaited before the last event, the whole body or the error is passed on. It may be called twice
    with the same outcome if it is cancelled half-way, so it must be idempotent.
    """

    def __init__(self, spec: CallSpec, services: CallServices, chain: FallbackChain) -> None:
        self._spec = spec
        self._services = services
        self._chain = chain
        self._send_to: SendTo | None = None
        """The last target that an attempt was sent to."""
        self._attempt: Attempt | None = None
        """The attempt in progress, or the one that answers."""
        self._runner: AttemptRunner | None = None
        """Of an attempt that was sent at once."""
        self._search: FallbackSearch | None = None
        self._searching: asyncio.Task[Exception | None] | None = None
        self._head: AnswerHead | None = None
        self._buffered_answer: BufferedAnswer | None = None
        self._outcome: Outcome | None = None
        """The outcome, once the call has ended."""
        self._settled = False
        self.is_over = False
        """Whether all events were passed on."""
        self.cost_nanos = 0
        """The cost of the call, once settled."""

    async def open(self) -> AnswerHead:
        """Find an answer; one that is no stream is read whole. May be cancelled and called again. Raises TidegateError.

        Where the client has left and the upstream was told so, no other attempt is made.
        """
        try:
            if self._head is None:
                if self._attempt is None and self._search is None:
                    self._send_at_once()
                if self._search is None:
                    await self._open_attempt()
                if self._search is not None:
                    await self._follow(self._search)
            head = self._head
            assert head is not None  # noqa: S101  # one of them found it
        except TidegateError as error:
            if self._attempt is None or not self._attempt.is_left:
                await self._settle_once(error)
            raise
        if not head.stream or self._attempt is None:
            await self._settle_once(None)
        return head

    async def more(self) -> list[bytes]:
        """Return the next events. Raises TidegateError."""
        attempt = self._attempt
        if self._outcome is None and attempt is not None:
            try:
                if events := await attempt.next_events():
                    return events
            except TidegateError as error:
                self._outcome = self._final_outcome(forget_traces(error))
                self._chain.health.note_failure(attempt.request.target, attempt.credential, error)
        if not self._settled:
            await self._settle_once(None)
        if self._outcome is not None and self._outcome.error is not None:
            raise self._outcome.error
        self.is_over = True
        return self._take_last_events()

    async def leave(self) -> None:
        """Tell the upstream that the client has left, and read on until it has noticed."""
        attempt = self._current_attempt()
        if attempt is None or self._outcome is not None:
            return
        hang_ups, clock, provider = self._chain.hang_ups, self._chain.clock, attempt.request.target.provider
        left_at = clock.monotonic()
        patience = hang_ups.patience(provider, left_at)
        if patience <= 0 or not attempt.end_sending():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._read_after_leaving(attempt)
                attempt.hang_up_was_seen = True
        now = clock.monotonic()
        hang_ups.note(provider, now, shown=attempt.hang_up_was_seen)
        if attempt.hang_up_was_seen and not attempt.observer.is_complete:
            attempt.hang_up_delay = hang_ups.delay(provider, now - left_at)

    async def abandon(self, error: TidegateError | None = None) -> None:
        """Cut the connection to the upstream, and account for what was used; without `error`, the client left."""
        first = self._spec.first_step
        if first is not None and self._attempt is None and self._search is None:
            self._services.slot(first, 0).decline()  # it was never opened: what admission granted goes to another call
        await self._stop_searching()
        if self._runner is not None:
            self._runner.stop()
        if self._attempt is not None:
            if self._outcome is None and not self._attempt.hang_up_was_seen:
                await self._drain(self._attempt)
            self._attempt.close()
        await self._settle_once(error or ClientDisconnected())

    # the first attempt

    def _send_at_once(self) -> None:
        """Send the call where admission decided it is sent first; begin a search where that cannot be done at once."""
        chain, spec, send_to = self._chain, self._spec, self._spec.first_step
        chain.retry_budget.add_call(chain.clock.monotonic())
        attempt = None
        if send_to is not None and chain.may_send_to(send_to):
            with contextlib.suppress(TidegateError):  # the search finds out again that the target takes no such call
                request = chain.providers[send_to.target.provider].build_request(spec.call, send_to.target)
                attempt = chain.attempt(spec, send_to, request, self._services.slot(send_to, 0))
        if send_to is None or attempt is None:
            self._begin_search()
            return
        runner = AttemptRunner(send_to, attempt, chain.health)
        if runner.send_at_once():
            self._send_to, self._attempt, self._runner = send_to, attempt, runner
        else:
            self._begin_search().begin_with(send_to, attempt)

    async def _open_attempt(self) -> None:
        """Wait until the answer of the attempt that was sent has begun; begin a search where it fails."""
        send_to, attempt, runner = self._send_to, self._attempt, self._runner
        assert send_to is not None and attempt is not None and runner is not None  # noqa: S101, PT018  # it was sent
        try:
            if not await attempt.wait_until_taken():  # what a refusal leads to cannot be interrupted and taken up again
                runner.stop()
                self._begin_search().begin_with(send_to, attempt)
                return
            await attempt.open()
        except TidegateError as error:
            runner.note_failure(error)
            if attempt.is_left:
                raise
            self._begin_search().go_on_after(send_to, attempt, error)
        except Exception:  # a defect: the health registry must not keep the attempt
            runner.stop()
            raise
        else:
            runner.note_answer()
            self._head = self._head_of(attempt)

    # the fallback chain

    def _begin_search(self) -> FallbackSearch:
        self._search = FallbackSearch(self._spec, self._services, self._chain)
        return self._search

    async def _follow(self, search: FallbackSearch) -> None:
        """Wait until the search has found an answer. Raises the error if it found none."""
        if self._attempt is not None and self._attempt.is_left:
            raise ClientDisconnected  # nothing else is tried for a client that has left
        if self._searching is None:
            self._searching = asyncio.create_task(search.find(), name="fallback-search")
        error = await asyncio.shield(self._searching)
        self._take_over(search)
        if error is not None:
            raise error
        if search.buffered_answer is not None:
            self._buffered_answer = search.buffered_answer
            self._head = msgspec.structs.replace(search.buffered_answer.answer_head, queued_ms=search.queued_ms)
        elif search.attempt is not None:
            self._head = self._head_of(search.attempt)

    def _current_attempt(self) -> Attempt | None:
        return self._attempt if self._search is None else self._search.attempt

    def _take_over(self, search: FallbackSearch) -> None:
        self._send_to, self._attempt = search.send_to, search.attempt

    async def _stop_searching(self) -> None:
        if self._search is None:
            return
        if self._searching is not None:
            self._searching.cancel()
            await asyncio.wait({self._searching})
        self._take_over(self._search)

    # the client's leaving

    async def _read_after_leaving(self, attempt: Attempt) -> None:
        with contextlib.suppress(TidegateError):
            if self._searching is None:
                await self.open()
            elif not self._searching.done():
                await asyncio.wait({self._searching})
            await attempt.read_to_end()

    async def _drain(self, attempt: Attempt) -> None:
        """Read on for a moment: the upstream charges for what it has written already, so that is counted."""
        with contextlib.suppress(TimeoutError, TidegateError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await attempt.read_to_end()

    # the answer

    def _head_of(self, attempt: Attempt) -> AnswerHead:
        target = attempt.request.target
        return AnswerHead(
            stream=attempt.stream,
            served_by=f"{target.provider}/{attempt.observer.model or target.model}",
            echo=self._spec.echo,
            queued_ms=0 if self._search is None else self._search.queued_ms,
            adaptations=attempt.request.adaptations,
        )

    def _take_last_events(self) -> list[bytes]:
        if self._buffered_answer is not None:
            events, self._buffered_answer = self._buffered_answer.events, None
            return list(events)
        if self._attempt is None:
            return []
        last, self._attempt.last_events = self._attempt.last_events, []
        return last

    # the end

    async def _settle_once(self, error: TidegateError | None) -> None:
        if self._outcome is None:
            self._outcome = self._final_outcome(error)
            if self._attempt is not None and isinstance(self._outcome.reported_error, UnfinishedAnswer | None):
                self._chain.health.note_completed(self._attempt.request.target)
        if self._search is not None:
            self._search.stop_timer()
        if self._settled:
            return
        self.cost_nanos = await self._services.settle(self._outcome)
        self._settled = True
        if self._attempt is not None and self._outcome.error is None:
            self._attempt.release()
        elif self._attempt is not None:
            self._attempt.close()

    def _final_outcome(self, error: TidegateError | None) -> Outcome:
        send_to, attempt, search = self._send_to, self._attempt, self._search
        if search is None and attempt is not None and send_to is not None:
            return attempt_outcome(send_to, attempt, error, is_passed_on=True)
        before = () if search is None else search.failed_outcomes
        step = None if search is None else search.fallback_step
        if step is not None:
            provider = CANNED if step is FallbackStep.CANNED else None
            last = Outcome(sent=False, provider=provider, fallback_step=step.value)
        elif attempt is not None and send_to is not None:
            last = attempt_outcome(send_to, attempt, error, is_passed_on=True)
        else:
            same = [outcome for outcome in before if outcome.error is error]
            last = same[-1] if error is not None and same else Outcome(error=error, reported_error=error, sent=False)
            before = tuple(outcome for outcome in before if outcome is not last)
        attempts = sum(outcome.sent for outcome in (*before, last)) if before else int(last.sent)
        queued_ms = 0 if search is None else search.queued_ms
        return msgspec.structs.replace(last, previous_attempts=before, attempts=attempts, queued_ms=queued_ms)
