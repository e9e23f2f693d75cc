"""Opens sessions: identifies the caller, checks its limits, and connects to a target of the model's route.

The steps are those of a call (`tidegate.pipeline.pipeline`), without the cache and the queue: a session can be neither
shared nor sent again. Another credential or target is tried until the upstream has taken it.
"""

from collections.abc import Callable, Collection
from random import Random

import msgspec

from tidegate.auth.key_cache import ApiKeyCache
from tidegate.core.clock import Clock
from tidegate.core.config import RealtimeConfig
from tidegate.core.errors import ClientDisconnected, InvalidUpstreamKey, ModelNotAllowed, TidegateError
from tidegate.core.errors.words import error_text
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.core.tags import HEADER as TAGS_HEADER
from tidegate.core.tags import read_tags
from tidegate.core.values import Caller
from tidegate.limits.admission import AdmissionController
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.realtime.session_usage import RealtimeAccountant
from tidegate.pipeline.call_record import CallReporter
from tidegate.pipeline.realtime.bridge import BridgeServices, RealtimeBridge
from tidegate.pipeline.realtime.meter import SessionMeter
from tidegate.pipeline.realtime.reports import reporting
from tidegate.pipeline.realtime.reservations import SessionReservations
from tidegate.pipeline.realtime.session import ClientEnd, SessionContext, SessionEnd, SessionRequest
from tidegate.providers.registry import HeaderForwarding
from tidegate.providers.web_socket import SocketBounds, UpstreamSocket
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.fallback_policy import Fail, GiveCanned, GiveStale, RetrySameTarget, SendTo
from tidegate.routing.plan import Plan
from tidegate.routing.routes import Routes

_DEADLINE_SECONDS = 30.0
"""Within which a session is opened, whatever is tried for it."""

ErrorEvent = Callable[[TidegateError, str | None], str]


class OpenSession:
    """A session that the upstream has taken."""

    def __init__(self, upstream: UpstreamSocket, meter: SessionMeter, services: BridgeServices) -> None:
        self._upstream = upstream
        self._meter = meter
        self._services = services

    async def run(self, client: ClientEnd) -> SessionEnd:
        """Carry its events to and from the client until it ends."""
        return await RealtimeBridge(client, self._upstream, self._meter, self._services).run()


class RealtimeSessions:
    """Opens the sessions of one process."""

    def __init__(  # noqa: PLR0913  # constructor injection: one parameter for each collaborator
        self,
        *,
        keys: ApiKeyCache,
        admission: AdmissionController,
        ledger: Ledger,
        accountant: RealtimeAccountant,
        routes: Routes,
        chain: FallbackChain,
        forwarding: HeaderForwarding,
        config: RealtimeConfig,
        send_seconds: float,
        models: Collection[str],
        error_event: ErrorEvent,
        reporter: CallReporter | None,
        lifecycle: Lifecycle,
        clock: Clock,
        random: Random,
    ) -> None:
        """`models` are those of the deployment, empty for all; `send_seconds` bounds the wait for who does not read."""
        self._keys = keys
        self._admission = admission
        self._ledger = ledger
        self._accountant = accountant
        self._routes = routes
        self._chain = chain
        self._forwarding = forwarding
        self._config = config
        self._bounds = SocketBounds(
            max_event_bytes=config.max_event_bytes,
            max_waiting_events=config.max_waiting_events,
            send_seconds=send_seconds,
        )
        self._models = models
        self._error_event = error_event
        self._reporter = reporter
        self._lifecycle = lifecycle
        self._clock = clock
        self._random = random

    async def open(self, request: SessionRequest) -> OpenSession:
        """Open a session, within the limits of its caller. Raises TidegateError; then nothing is open."""
        caller = await self._keys.caller(request.authorization)
        if (refusal := self._admission.refusals.error(caller, self._clock.now())) is not None:
            raise refusal
        self._check_model(request.model, caller)
        tags = read_tags(request.headers.get(TAGS_HEADER), None, ())
        plan = self._routes.plan(request.model, draw_for=lambda: lambda _: self._random.random())
        context = SessionContext(
            request=request,
            caller=caller,
            tags=tags,
            target=plan.targets[0],
            started_at=self._clock.monotonic(),
            at=self._clock.now(),
        )
        holds = SessionReservations(context, admission=self._admission, ledger=self._ledger, clock=self._clock)
        if holds.limits_money and request.model:
            self._accountant.check_price(request.model, tuple(target.name for target in plan.targets))
        await holds.begin()
        try:
            upstream, send_to = await self._connect(plan, request)
        except BaseException as error:  # refused, or the client has left: the session is over in each case
            await self._end_unopened(context, holds, error)
            raise
        context = msgspec.structs.replace(context, target=send_to.target, credential=send_to.credential.name)
        holds.place(context)
        return self._session(context, holds, upstream)

    def _session(self, context: SessionContext, holds: SessionReservations, upstream: UpstreamSocket) -> OpenSession:
        meter = SessionMeter(
            context,
            holds,
            self._accountant,
            clock=self._clock,
            assumed_output_tokens=self._config.assumed_output_tokens,
            allowed_models=self._models,
            on_entry=reporting(self._reporter, context.caller),
        )

        async def check_key() -> None:
            holds.caller = await self._keys.caller(context.request.authorization)
            meter.check_models()

        services = BridgeServices(
            check_key=check_key, error_event=self._error_event, config=self._config, lifecycle=self._lifecycle
        )
        return OpenSession(upstream, meter, services)

    def _check_model(self, model: str, caller: Caller) -> None:
        """Raise ModelNotAllowed. A session without a model names its models in events, which are checked then."""
        for allowed in (self._models, caller.models):
            if model and allowed and model not in allowed:
                message = f"The model `{model}` does not exist or you do not have access to it."
                raise ModelNotAllowed(message, param="model")

    async def _end_unopened(self, context: SessionContext, holds: SessionReservations, error: BaseException) -> None:
        reason = error if isinstance(error, TidegateError) else ClientDisconnected()
        entry = context.entry(context.request.id, at=context.at)
        entry = msgspec.structs.replace(entry, outcome=reason.name, error_text=error_text(reason))
        await holds.end(entry)
        reporting(self._reporter, context.caller)(entry, self._clock.monotonic() - context.started_at, reason)

    async def _connect(self, plan: Plan, request: SessionRequest) -> tuple[UpstreamSocket, SendTo]:
        """Open the session at the first target that takes it. Raises TidegateError."""
        chain, state = self._chain, self._chain.start(plan)
        deadline = self._clock.now() + _DEADLINE_SECONDS
        while True:
            match chain.next_step(state, deadline):
                case SendTo(claim=claim) if claim:  # trials are for calls: a session may last an hour
                    state = state.with_lost_claim(claim)
                case SendTo() as send_to:
                    await chain.pause(send_to.delay_seconds)
                    try:
                        return await self._try(send_to, request), send_to
                    except TidegateError as error:
                        state = state.with_failure(send_to, error)
                case RetrySameTarget() | GiveStale() | GiveCanned():  # none of them is for sessions
                    state = state.without_lane_wait().without_stale().without_canned()
                case Fail(error):
                    raise error

    async def _try(self, send_to: SendTo, request: SessionRequest) -> UpstreamSocket:
        """Open the session at one target, and tell the health registry how that went. Raises TidegateError."""
        target, credential, health = send_to.target, send_to.credential, self._chain.health
        provider = self._chain.providers[target.provider]
        headers = self._forwarding.select(request.headers)
        health.note_sent(target)
        try:
            try:
                socket = await provider.open_realtime(target, request.parameters, credential, headers, self._bounds)
            except InvalidUpstreamKey:
                if not await provider.renew_key(credential):
                    raise
                socket = await provider.open_realtime(target, request.parameters, credential, headers, self._bounds)
        except TidegateError as error:
            health.note_heard(target, has_answer=error.upstream_detail is not None)
            health.note_failure(target, credential, error)
            raise
        except BaseException:  # the client has left: that says nothing of the target
            health.note_heard(target, has_answer=False)
            raise
        health.note_heard(target)
        health.note_answer(target, credential)
        health.note_completed(target)
        return socket
