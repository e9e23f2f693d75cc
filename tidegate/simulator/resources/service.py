"""Answers a request for any operation besides inference, with faults and charges as for all others."""

from collections.abc import Callable

from tidegate.core.clock import Clock
from tidegate.simulator.answers.reply import Json, SimulatedReply
from tidegate.simulator.billing.bill import Bill, BilledCall
from tidegate.simulator.billing.meter import Meter
from tidegate.simulator.billing.tariff import Tariff
from tidegate.simulator.delivery import deliver, strike
from tidegate.simulator.exchange import SimulatedExchange
from tidegate.simulator.faults import refusal_for
from tidegate.simulator.keys import key_of
from tidegate.simulator.options import RequestBehavior
from tidegate.simulator.resources.calls import LineAnswer, ResourceAnswer, ResourceCall
from tidegate.simulator.resources.contents import deliver_content
from tidegate.simulator.resources.jobs.running import advance_jobs
from tidegate.simulator.resources.organization import Collection, Organizations
from tidegate.simulator.resources.table import FoundRoute, RouteTable, every_route


class ResourceService:
    """The operations, with the state of all organisations."""

    def __init__(
        self, clock: Clock, tariff: Tariff, answer_line: Callable[[str, Json, str, float], LineAnswer]
    ) -> None:
        """`answer_line` answers a line of a batch."""
        self._clock = clock
        self._tariff = tariff
        self._answer_line = answer_line
        self._organizations = Organizations()
        self._table = RouteTable(every_route())

    def find(self, method: str, path: str) -> FoundRoute | None:
        """Return the operation that a request names, if any."""
        return self._table.find(method, path)

    def has_path(self, path: str) -> bool:
        """Return whether the path exists with any method."""
        return self._table.has_path(path)

    def tuned_models(self, key: str) -> Collection:
        """Return the models that the fine-tuning jobs of a key's organisation have made until now."""
        organization = self._organizations.of_key(key)
        advance_jobs(organization, self._answer_line, self._clock.now())
        return organization.collection("models")

    def call(
        self, exchange: SimulatedExchange, found: FoundRoute, raw: bytes, digits: str, how: RequestBehavior
    ) -> ResourceCall:
        """Return what the operation's handler reads."""
        return ResourceCall(
            organization=self._organizations.of_key(key_of(exchange.headers)),
            parameters=found.parameters,
            query=exchange.query,
            headers=exchange.headers,
            raw=raw,
            digits=digits,
            now=self._clock.now(),
            job_seconds=how.job_seconds,
            answer_line=self._answer_line,
        )

    async def serve(
        self,
        exchange: SimulatedExchange,
        found: FoundRoute,
        resource_call: ResourceCall,
        call: BilledCall,
        how: RequestBehavior,
    ) -> None:
        """Answer, and charge what the answer costs. Raises Refusal."""
        call.note_body(resource_call.raw)
        if how.fault and (refused := refusal_for(how.fault, model=found.route.label, path=exchange.path)):
            raise refused
        if await strike(exchange, call, how):
            return  # nothing was done
        reply = found.route.handler(resource_call)
        exchange.reply_headers.update(reply.headers)
        if reply.charge is not None:
            call.model, call.stream = reply.charge.model, reply.events is not None
            call.charge(reply.charge.usage, self._tariff)
        call.end = await _deliver(exchange, reply, how)

    def charge_jobs(self, bill: Bill, now: float) -> None:
        """Let all jobs go on until now, and put on the bill what they cost."""
        for key, organization in self._organizations:
            advance_jobs(organization, self._answer_line, now)
            for owed in organization.owed:
                call = BilledCall(id=f"job_{owed.route}", route=owed.route, model=owed.model, key_ends=key[-4:] or None)
                with bill.call(call):
                    call.charge(owed.usage, self._tariff)
            organization.owed.clear()


async def _deliver(exchange: SimulatedExchange, reply: ResourceAnswer, how: RequestBehavior) -> str:
    """Send the answer; return how it ended."""
    if reply.content is not None:
        return await deliver_content(exchange, reply.content, reply.content_type, how.fault)
    events = None if reply.events is None else list(reply.events)
    whole = SimulatedReply(body=reply.body or {}, events=events, named_events=reply.named_events)
    return await deliver(exchange, whole, how, Meter("", whole))
