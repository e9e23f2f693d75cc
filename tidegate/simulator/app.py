"""The ASGI app of the simulator: checks the key and the parameters, strikes with faults, and answers."""

from collections.abc import Mapping
from random import Random

import msgspec
from starlette.types import Receive, Scope, Send

from tidegate.core.clock import Clock, SystemClock
from tidegate.simulator import accounts, azure
from tidegate.simulator.accounts import SimulatedAccounts
from tidegate.simulator.addresses import Address, address
from tidegate.simulator.answers import models
from tidegate.simulator.answers.prompts import with_prompt
from tidegate.simulator.answers.reply import Json, SimulatedReply
from tidegate.simulator.billing import tariff
from tidegate.simulator.billing.bill import Bill, BilledCall
from tidegate.simulator.billing.costs import COSTS_PATH, costs_page
from tidegate.simulator.billing.meter import Meter
from tidegate.simulator.delivery import deliver, strike
from tidegate.simulator.exchange import SimulatedExchange, json_object
from tidegate.simulator.faults import Fault, refusal_for
from tidegate.simulator.inference import SimulatedInference, model_of
from tidegate.simulator.keys import check_admin_key, ends_of, key_of
from tidegate.simulator.limits import SimulatedRateLimits
from tidegate.simulator.options import Options, RequestBehavior, request_behavior
from tidegate.simulator.outlook import ActiveFaults
from tidegate.simulator.realtime.connection import SimulatedRealtime
from tidegate.simulator.realtime.socket import SimulatedSocket
from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.service import ResourceService
from tidegate.simulator.resources.table import FoundRoute


def create_app(options: Options | None = None, *, clock: Clock | None = None) -> "Simulator":
    """Return the simulator as an ASGI app. Raises ValueError for an unknown fault or malformed prices."""
    return Simulator(options or Options(), clock or SystemClock())


class Simulator:
    """An ASGI app. Its state is the bill, the rate limits, the active faults and the prompts it has seen."""

    def __init__(self, options: Options, clock: Clock) -> None:
        """Ready to serve."""
        self._options = options
        self._clock = clock
        self._bill = Bill(options.remember)
        self._tariff = tariff.load(options.prices)
        self._reset()

    def __repr__(self) -> str:
        figures = self._bill.figures()
        return f"<Simulator {figures['in_flight']} in flight, {figures['served']} served>"

    def _reset(self) -> None:
        self._bill.reset()
        self._random = Random(self._options.seed)  # noqa: S311  # repeatable on purpose
        self._limits = SimulatedRateLimits(self._options.rpm, self._options.tpm, self._clock)
        self._outlook = ActiveFaults(self._options.faults, self._options.faults_by_key)
        self._inference = SimulatedInference()
        options = self._options
        self._accounts = SimulatedAccounts(options.admin_key, options.api_key, self._clock, self._random)
        self._resources = ResourceService(self._clock, self._tariff, self._inference.answer_line)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()  # the `websocket.connect` message
            await self._converse(SimulatedExchange(scope, receive, send), SimulatedSocket(receive, send))
        elif scope["type"] == "http":
            exchange = SimulatedExchange(scope, receive, send)
            if exchange.path.startswith(("/simulator/", "/v1/simulator/")):
                await self._control(exchange)
            elif exchange.path == COSTS_PATH:
                await self._report_costs(exchange)
            elif exchange.path.startswith(accounts.PATH):
                await self._administer(exchange)
            else:
                await self._serve(exchange)

    async def _converse(self, handshake: SimulatedExchange, socket: SimulatedSocket) -> None:
        """Serve a Realtime session; at Azure the path has another beginning."""
        if not handshake.path.endswith("/realtime"):
            await socket.refuse(_unknown_url(handshake), {})
            return

        def draw() -> RequestBehavior:
            drawn = self._outlook.draw_fault(key_of(handshake.headers), self._random)
            return request_behavior(self._options, handshake.headers, drawn)

        await SimulatedRealtime(self._bill, self._tariff, self._clock).serve(
            handshake,
            socket,
            check_key=lambda: self._accounts.check_key(handshake.headers),
            draw=draw,
            random=self._random,
        )

    async def _control(self, exchange: SimulatedExchange) -> None:
        """Serve the bill and the active faults. No key is needed, and these requests are not counted."""
        self._resources.charge_jobs(self._bill, self._clock.now())
        action = exchange.method, exchange.path.rpartition("/")[2]
        try:
            if action == ("POST", "reset"):
                self._reset()
            elif action == ("POST", "faults"):
                self._outlook.set_faults(json_object(await exchange.body()), ending=exchange.query.get("key", ""))
                return await exchange.send_json(self._outlook.as_json())
            elif action == ("POST", "admin_faults"):
                return await exchange.send_json(self._accounts.set_faults(json_object(await exchange.body())))
            elif action == ("GET", "bill"):
                return await exchange.send_json({"requests": self._bill.remembered()})
            elif action != ("GET", "stats"):
                raise _unknown_url(exchange)
            await exchange.send_json(self._bill.figures())
        except Refusal as refused:
            await exchange.refuse(refused)

    async def _administer(self, exchange: SimulatedExchange) -> None:
        """Serve the administration of service accounts. These requests are not counted."""
        try:
            raw = await exchange.body()
            fields = json_object(raw) if raw else {}
            answer = self._accounts.answer(exchange.method, exchange.path, exchange.headers, fields)
            await exchange.send_json(answer)
        except Refusal as refused:
            await exchange.refuse(refused)

    async def _report_costs(self, exchange: SimulatedExchange) -> None:
        """Serve the costs report, which is not counted. As at OpenAI, it needs an admin key."""
        try:
            check_admin_key(exchange.headers)
            page = costs_page(self._bill.costs(), exchange.query, now=self._clock.now())
            await exchange.send_json(page)
        except Refusal as refused:
            await exchange.refuse(refused)

    async def _serve(self, exchange: SimulatedExchange) -> None:
        digits = f"{self._random.getrandbits(128):032x}"
        where = address(exchange.method, exchange.path, exchange.query)
        found = self._resources.find(exchange.method, exchange.path) if where.route == "unknown" else None
        call = BilledCall(id=f"req_{digits}", route=found.route.label if found else where.route)
        _note_caller(call, exchange.headers)
        exchange.reply_headers.update(_headers_of(call))
        with self._bill.call(call):
            try:
                if found:
                    await self._answer_resource(exchange, found, call, digits)
                else:
                    await self._answer(exchange, where, call, digits)
            except Refusal as refused:
                call.end = "refused"
                await self._refuse(exchange, where, call, refused)
            finally:
                call.status = exchange.status

    async def _refuse(self, exchange: SimulatedExchange, where: Address, call: BilledCall, refused: Refusal) -> None:
        if where.azure:
            exchange.reply_headers = azure.headers_of(exchange.reply_headers, call.id)
            refused = azure.to_azure(refused)
        await exchange.refuse(refused)

    async def _answer(self, exchange: SimulatedExchange, where: Address, call: BilledCall, digits: str) -> None:
        self._accounts.check_key(exchange.headers)
        if call.route == "unknown":
            is_known = where.wrong_method or (not where.azure and self._resources.has_path(exchange.path))
            raise _unknown_url(exchange, is_known=is_known)
        raw = await exchange.body()
        how = self._behavior(exchange, call)
        if call.route == "models":
            if not await strike(exchange, call, how):
                await self._answer_models(exchange, where, how)
            return
        call.note_body(raw)
        try:
            body = with_prompt(json_object(raw)) if call.route == "responses" else json_object(raw)
            reply = self._reply(exchange, call, self._with_model(where, body), how, digits)
        except Refusal:
            if not await strike(exchange, call, how):
                raise
            return
        if where.azure:
            exchange.reply_headers = azure.headers_of(exchange.reply_headers, call.id)
            reply = _with_filter(reply, call.route)
        await self._deliver(exchange, call, reply, how)

    async def _answer_resource(
        self, exchange: SimulatedExchange, found: FoundRoute, call: BilledCall, digits: str
    ) -> None:
        self._accounts.check_key(exchange.headers)
        raw = await exchange.body(found.route.most_bytes)
        how = self._behavior(exchange, call)
        resource_call = self._resources.call(exchange, found, raw, digits, how)
        try:
            await self._resources.serve(exchange, found, resource_call, call, how)
        finally:
            self._resources.charge_jobs(self._bill, self._clock.now())

    def _behavior(self, exchange: SimulatedExchange, call: BilledCall) -> RequestBehavior:
        drawn = self._outlook.draw_fault(key_of(exchange.headers), self._random)
        how = request_behavior(self._options, exchange.headers, drawn)
        call.fault = how.fault
        return how

    async def _deliver(
        self, exchange: SimulatedExchange, call: BilledCall, reply: SimulatedReply, how: RequestBehavior
    ) -> None:
        """Send the answer, and charge its tokens, whether or not it arrives."""
        meter = Meter(call.model or "", reply)
        if how.fault is not Fault.CONNECTION:
            meter.count_input()
        try:
            if not await strike(exchange, call, how):
                call.end = await deliver(exchange, reply, how, meter)
        except Refusal:
            meter.clear_input()
            raise
        finally:
            call.charge(meter.usage(), self._tariff)

    def _with_model(self, where: Address, body: Json) -> Json:
        """Return the body with its model: at Azure the path may name it, and a deployment stands for one."""
        if not where.azure:
            return body
        deployment = where.model or body.get("model")
        if not self._options.deployments or not isinstance(deployment, str):
            return {**body, "model": deployment}
        if deployment not in self._options.deployments:
            raise azure.deployment_not_found()
        return {**body, "model": self._options.deployments[deployment]}

    async def _answer_models(self, exchange: SimulatedExchange, where: Address, how: RequestBehavior) -> None:
        name = where.model
        if how.fault and (refused := refusal_for(how.fault, model=name, path=exchange.path)):
            raise refused
        tuned = self._resources.tuned_models(key_of(exchange.headers))
        if exchange.method == "DELETE":
            body = models.deleted(name)
            tuned.remove(name)
        else:
            shown = [record.body for record in tuned]
            body = models.one_model(name, shown) if name else models.every_model(shown)
        reply = SimulatedReply(body=body)
        await deliver(exchange, reply, how, Meter(name, reply))  # a list costs nothing

    def _reply(
        self, exchange: SimulatedExchange, call: BilledCall, body: Json, how: RequestBehavior, digits: str
    ) -> SimulatedReply:
        model = model_of(body, call.route)
        call.note_request(model, body)
        if how.fault is not Fault.RATE_LIMITED_BARE:
            exchange.reply_headers.update(self._limits.headers())
        if how.fault and (refused := refusal_for(how.fault, model=model, path=exchange.path)):
            raise refused
        reply, wanted = self._inference.reply(call.route, body, how, digits, now=self._clock.now())
        self._limits.admit(model, wanted)
        exchange.reply_headers.update(self._limits.headers())
        return reply


async def _run_lifespan(receive: Receive, send: Send) -> None:
    """Answer the server's lifespan messages."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _with_filter(reply: SimulatedReply, route: str) -> SimulatedReply:
    """Add the results of Azure's content filter to a chat."""
    if route != "chat":
        return reply
    events = None if reply.events is None else azure.events_with_filter(reply.events)
    return msgspec.structs.replace(reply, body=azure.with_filter(reply.body), events=events)


def _unknown_url(exchange: SimulatedExchange, *, is_known: bool = False) -> Refusal:
    """Return the refusal of a path that does not exist, or, if it `is_known`, of its method."""
    if is_known:
        hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
        return Refusal(405, f"Not allowed to {exchange.method} on {exchange.path}. {hint}", code="method_not_supported")
    message = (
        f"Invalid URL ({exchange.method} {exchange.path}). Please check the URL for typos, "
        "or see the docs at https://platform.openai.com/docs/api-reference/."
    )
    return Refusal(404, message, code="unknown_url")


def _headers_of(call: BilledCall) -> dict[str, str]:
    return {
        "x-request-id": call.id,
        "openai-organization": "org-simulator",
        "openai-processing-ms": "1",
        "openai-version": "2020-10-01",
    }


def _note_caller(call: BilledCall, headers: Mapping[str, str]) -> None:
    call.key_ends = ends_of(headers)
    call.organization = headers.get("openai-organization")
    call.project = headers.get("openai-project")
