"""The objects of Realtime sessions."""

from random import SystemRandom

from tidegate.assembly.auth import AuthParts
from tidegate.assembly.base import Base
from tidegate.assembly.limits import LimitParts
from tidegate.core.ids import new_id
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.metering import price_list
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.prices import Prices
from tidegate.metering.realtime.session_usage import RealtimeAccountant
from tidegate.pipeline.call_record import CallReporter
from tidegate.pipeline.realtime.opening import RealtimeSessions
from tidegate.providers.registry import HeaderForwarding
from tidegate.routing.fallback_chain import FallbackChain
from tidegate.routing.routes import Routes
from tidegate.web.realtime.endpoint import RealtimeEndpoint
from tidegate.web.realtime.error_event import error_event


def make_realtime(  # noqa: PLR0913, PLR0917  # a parameter for each part
    base: Base,
    auth: AuthParts,
    limits: LimitParts,
    ledger: Ledger,
    chain: FallbackChain,
    routes: Routes,
    reporter: CallReporter | None,
    lifecycle: Lifecycle,
) -> RealtimeEndpoint:
    """Return the endpoint of sessions."""
    settings = base.settings
    accountant = RealtimeAccountant(Prices(settings.metering, price_list.load(settings.metering.price_file)))
    sessions = RealtimeSessions(
        keys=auth.keys,
        admission=limits.admission,
        ledger=ledger,
        accountant=accountant,
        routes=routes,
        chain=chain,
        forwarding=HeaderForwarding(settings.upstream.forward_headers),
        config=settings.realtime,
        send_seconds=settings.server.send_seconds,
        models=frozenset(settings.models.allowed),
        error_event=error_event,
        reporter=reporter,
        lifecycle=lifecycle,
        clock=base.clock,
        random=SystemRandom(),
    )
    endpoint = RealtimeEndpoint(
        sessions,
        auth.keys,
        config=settings.realtime,
        send_seconds=settings.server.send_seconds,
        memory=base.body_memory,
        ids=new_id,
        on_failure=base.counters.count_failure,
    )
    base.counters.add_gauge("realtime_sessions", "Realtime sessions.", lambda: endpoint.open_sessions)
    return endpoint
