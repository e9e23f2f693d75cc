"""Meters one session: holds each response before it may begin, and charges what the upstream says it used.

It sees each event of both sides before that is forwarded. Used by bridge.py.
"""

from collections import deque
from collections.abc import Callable, Collection

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import ModelNotAllowed, ShuttingDown, TidegateError, UpstreamServerError
from tidegate.core.errors.words import error_text
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Usage
from tidegate.metering.realtime.session_usage import RealtimeAccountant, UsedTokens, is_in_seconds, stated_usage
from tidegate.pipeline.realtime.reservations import ResponseHold, SessionReservations
from tidegate.pipeline.realtime.session import TRANSCRIPTION_ROUTE, SessionContext
from tidegate.wire.realtime.client_events import CREATE_RESPONSE, STARTS_WORK, UPDATES, ClientEvent
from tidegate.wire.realtime.conversation_size import ConversationSize
from tidegate.wire.realtime.server_events import ServerEvent, ServerEventKind

_AUDIO_ALLOWANCE = 600
"""Tokens of audio, a minute of it, that may follow before the response to it begins."""
_REFUSED_SECONDS = 1.0
"""For which audio is refused without another try."""
_MAX_OPEN = 1000
"""Responses in progress, and expected ones, of which the gateway keeps count in one session."""
_MAX_SETTLED = 10_000
_WITHOUT_USAGE = frozenset({"failed", "cancelled", "incomplete"})
"""How responses end that may have used nothing."""

OnEntry = Callable[[LedgerEntry, float, TidegateError | None], None]
"""Called with each entry that was written, the seconds that its response took, and the error that it ended with."""


class _Expected(msgspec.Struct, frozen=True):
    """A response that the client has asked for, and that has not begun."""

    hold: ResponseHold
    event_id: str | None


class _OpenResponse(msgspec.Struct):
    """A response in progress."""

    hold: ResponseHold | None
    began: float
    """Seconds on the monotonic clock."""
    audio_chars: int = 0
    text_chars: int = 0
    first_seconds: float | None = None


class SessionMeter:
    """Meters one session."""

    def __init__(  # noqa: PLR0913  # constructor injection: one parameter for each collaborator
        self,
        context: SessionContext,
        holds: SessionReservations,
        accountant: RealtimeAccountant,
        *,
        clock: Clock,
        assumed_output_tokens: int,
        allowed_models: Collection[str],
        on_entry: OnEntry,
    ) -> None:
        """`allowed_models` are those of the deployment; empty for all."""
        self._context = context
        self._holds = holds
        self._accountant = accountant
        self._clock = clock
        self._assumed_output = assumed_output_tokens
        self._allowed_models = allowed_models
        self._on_entry = on_entry
        self._size = ConversationSize()
        self._model = context.target.model or context.request.model
        self._transcription_model: str | None = None
        self._output_limit: int | None = None
        self._expected: deque[_Expected] = deque()
        self._spoken: ResponseHold | None = None
        """What is held for the response to what is being spoken."""
        self._open: dict[str, _OpenResponse] = {}
        self._settled: dict[str, None] = {}
        """Responses and transcriptions that are charged, so that none is charged twice."""
        self._refused_until = 0.0
        self._refusal: TidegateError | None = None
        self.is_draining = False
        """Whether no further response may begin, because the process ends."""

    @property
    def is_busy(self) -> bool:
        """Whether a response is in progress, or about to begin."""
        return bool(self._open or self._expected)

    # what clients send

    async def admit(self, event: ClientEvent) -> None:
        """Hold what an event may cost. Raises TidegateError for one that must not be forwarded."""
        for model in event.models:
            self._check_model(model)
        if event.type in STARTS_WORK and self.is_draining:
            raise ShuttingDown
        if event.type == CREATE_RESPONSE:
            await self._hold_response(event)
        elif event.type in STARTS_WORK and self._spoken is None:
            await self._hold_spoken()
        self._size.add_audio(event.audio_chars)
        if event.type not in UPDATES:
            self._size.add_text(len(event.frame) - event.audio_chars)

    def check_models(self) -> None:
        """Raise ModelNotAllowed if the session's model is allowed no more."""
        if self._context.request.model:
            self._check_model(self._context.request.model)

    def _check_model(self, model: str) -> None:
        for allowed in (self._allowed_models, self._holds.caller.models):
            if allowed and model not in allowed:
                message = f"The model `{model}` does not exist or you do not have access to it. Nothing was forwarded."
                raise ModelNotAllowed(message, param="model")
        if self._holds.limits_money and model != self._context.request.model:
            self._accountant.check_price(model)

    async def _hold_response(self, event: ClientEvent) -> None:
        """Hold the response that the client asks for, instead of the one to what was spoken."""
        if len(self._expected) + len(self._open) >= _MAX_OPEN:
            raise TidegateError("The response was not created: this session has too many responses in progress.")
        if self._spoken is not None:
            spoken, self._spoken = self._spoken, None
            await self._holds.release(spoken)
        tokens = self._size.tokens + self._size.text_tokens(len(event.frame))
        limit = event.max_output_tokens or self._output_limit or self._assumed_output
        hold = await self._holds.hold(cost_nanos=self._max_nanos(tokens, limit), tokens=tokens + limit, counts=True)
        self._expected.append(_Expected(hold, event.event_id))

    async def _hold_spoken(self) -> None:
        """Hold the response that the upstream begins when it has heard that the speaker stopped."""
        now = self._clock.monotonic()
        if self._refusal is not None and now < self._refused_until:
            raise self._refusal
        tokens = self._size.tokens + _AUDIO_ALLOWANCE
        limit = self._output_limit or self._assumed_output
        try:
            self._spoken = await self._holds.hold(cost_nanos=self._max_nanos(tokens, limit), tokens=0, counts=False)
        except TidegateError as error:
            self._refusal, self._refused_until = error, now + _REFUSED_SECONDS
            raise

    def _max_nanos(self, input_tokens: int, output_tokens: int) -> int:
        at, target = self._clock.now(), self._context.target
        nanos = 0
        if self._model:
            nanos = self._accountant.max_nanos(
                self._model, input_tokens=input_tokens, output_tokens=output_tokens, at=at, targets=(target.name,)
            )
        if self._transcription_model:
            heard = self._size.audio_tokens + _AUDIO_ALLOWANCE
            nanos += self._accountant.max_nanos(
                self._transcription_model, input_tokens=heard, output_tokens=heard, at=at
            )
        return nanos

    # what the upstream sends

    async def note(self, event: ServerEvent) -> None:
        """Note what an event says; charge what it states as used, before it is forwarded.

        Raises BudgetExceeded if nothing more may be spent. The event itself is forwarded all the same.
        """
        match event.kind:
            case ServerEventKind.SESSION:
                self._note_session(event)
            case ServerEventKind.RESPONSE_BEGAN:
                await self._note_began(event)
            case ServerEventKind.RESPONSE_DELTA:
                self._note_delta(event)
            case ServerEventKind.RESPONSE_DONE:
                await self._note_done(event)
            case ServerEventKind.TRANSCRIBED:
                await self._note_transcribed(event)
            case ServerEventKind.ERROR:
                await self._note_error(event)
            case ServerEventKind.OTHER:
                pass

    def _note_session(self, event: ServerEvent) -> None:
        self._model = event.model or self._model
        self._transcription_model = event.transcription_model
        self._output_limit = event.max_output_tokens
        self._size.is_narrow = event.is_narrow_audio
        self._size.note_settings(event.settings_bytes)

    async def _note_began(self, event: ServerEvent) -> None:
        if event.id in self._open or event.id in self._settled or len(self._open) >= _MAX_OPEN:
            return
        hold = None
        if self._expected:
            hold = self._expected.popleft().hold
        elif self._spoken is not None:
            hold, self._spoken = self._spoken, None
        self._open[event.id] = _OpenResponse(hold, self._clock.monotonic())
        if hold is None:  # the upstream began it by itself
            await self._hold_begun(self._open[event.id])

    async def _hold_begun(self, response: _OpenResponse) -> None:
        await self._hold_spoken()
        response.hold, self._spoken = self._spoken, None

    def _note_delta(self, event: ServerEvent) -> None:
        response = self._open.get(event.id)
        if response is None:
            return
        if response.first_seconds is None:
            response.first_seconds = self._clock.monotonic() - response.began
        if event.is_audio:
            response.audio_chars += event.chars
        else:
            response.text_chars += event.chars

    async def _note_done(self, event: ServerEvent) -> None:
        response = self._open.pop(event.id, None)
        if not self._begin_settlement(event.id):
            return
        usage = stated_usage(event.usage)
        if usage is not None:
            self._size.note_stated(usage.input + usage.output)
        elif response is None or (event.status in _WITHOUT_USAGE and not (response.audio_chars or response.text_chars)):
            usage = Usage()
        else:
            usage = self._estimate(response)
        await self._settle(event.id, response, usage, UpstreamServerError() if event.status == "failed" else None)
        await self._holds.check_budget()

    def _estimate(self, response: _OpenResponse) -> Usage:
        """Return what a response used, as far as it was seen, where the upstream does not state it."""
        heard = self._size.audio_tokens
        spoken = self._size.spoken_tokens(response.audio_chars)
        written = self._size.text_tokens(response.text_chars)
        return Usage(
            input=self._size.tokens, input_audio=heard, output=spoken + written, output_audio=spoken, estimated=True
        )

    async def _settle(
        self, response_id: str, response: _OpenResponse | None, usage: Usage, error: TidegateError | None
    ) -> None:
        hold = None if response is None else response.hold
        now = self._clock.now()
        seconds = 0.0 if response is None else self._clock.monotonic() - response.began
        name = f"{self._context.request.id}-{response_id}"
        initial = self._context.entry(name, at=now) if hold is None else hold.entry
        used = UsedTokens(usage=usage, model=self._model, target=self._context.target.name)
        first = None if response is None else response.first_seconds
        entry = msgspec.structs.replace(
            self._accountant.entry(initial, used),
            outcome="ok" if error is None else error.name,
            error_text=None if error is None else error_text(error),
            upstream_request_id=response_id,
            latency_ms=round(1000 * seconds),
            first_byte_ms=None if first is None else round(1000 * first),
        )
        await self._holds.settle(hold, entry)
        self._on_entry(entry, seconds, error)

    async def _note_transcribed(self, event: ServerEvent) -> None:
        if not self._begin_settlement(event.id):
            return
        model = self._transcription_model or ""
        name = f"{self._context.request.id}-{event.id}"
        initial = self._context.entry(name, at=self._clock.now(), route=TRANSCRIPTION_ROUTE, model=model)
        used = UsedTokens(
            usage=stated_usage(event.usage) or Usage(),
            model=model,
            target="",
            is_without_tokens=event.usage is None or is_in_seconds(event.usage),
        )
        entry = self._accountant.entry(initial, used)
        await self._holds.settle(None, entry)
        self._on_entry(entry, 0.0, None)
        if not self._context.target.model and self._spoken is not None:  # no response will follow
            spoken, self._spoken = self._spoken, None
            await self._holds.release(spoken)
        await self._holds.check_budget()

    async def _note_error(self, event: ServerEvent) -> None:
        """Release the response that the upstream refused: the one that the error names, else one without a name."""
        for expected in self._expected:
            if expected.event_id == (event.id or None):
                self._expected.remove(expected)
                await self._holds.release(expected.hold)
                return

    def _begin_settlement(self, name: str) -> bool:
        """Return whether this was not charged before, and remember it."""
        if name in self._settled:
            return False
        self._settled[name] = None
        if len(self._settled) > _MAX_SETTLED:
            del self._settled[next(iter(self._settled))]
        return True

    # the end

    async def end(self, error: TidegateError | None) -> None:
        """Charge what was in progress, release what did not begin, and write the session's own entry."""
        for response_id in list(self._open):
            response = self._open.pop(response_id)
            await self._settle(response_id, response, self._estimate(response), error)
        unused = [expected.hold for expected in self._expected]
        if self._spoken is not None:
            unused.append(self._spoken)
        self._expected.clear()
        self._spoken = None
        for hold in unused:
            await self._holds.release(hold)
        seconds = self._clock.monotonic() - self._context.started_at
        entry = self._context.entry(self._context.request.id, at=self._context.at)
        entry = msgspec.structs.replace(
            entry,
            outcome="ok" if error is None else error.name,
            error_text=None if error is None else error_text(error),
            latency_ms=round(1000 * seconds),
            served_model=self._model or None,
        )
        await self._holds.end(entry)
        self._on_entry(entry, seconds, error)
