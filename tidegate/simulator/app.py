"""The ASGI app of the simulator: checks the key and the parameters, strikes with faults, and answers."""

import re
from collections.abc import Mapping
from random import Random

import msgspec
from starlette.types import Receive, Scope, Send

from tidegate.core.clock import Clock, SystemClock
from tidegate.simulator import accounts, azure
from tidegate.simulator.accounts import SimulatedAccounts
from tidegate.simulator.addresses import Address, address
from tidegate.simulator.answers import chat, embeddings, models, moderations, responses
from tidegate.simulator.answers.prompts import with_prompt
from tidegate.simulator.answers.questions import GenerationRequest
from tidegate.simulator.answers.reply import AnswerIdentity, Json, SimulatedReply, TokenKinds
from tidegate.simulator.billing import tariff
from tidegate.simulator.billing.bill import Bill, BilledCall
from tidegate.simulator.billing.costs import COSTS_PATH, costs_page
from tidegate.simulator.billing.meter import Meter
from tidegate.simulator.checks.parameters import check
from tidegate.simulator.checks.reasoning_items import StoredReasoning
from tidegate.simulator.delivery import deliver
from tidegate.simulator.exchange import SimulatedExchange, json_object
from tidegate.simulator.faults import Fault, refusal_for
from tidegate.simulator.keys import check_admin_key, ends_of, key_of
from tidegate.simulator.limits import SimulatedRateLimits
from tidegate.simulator.options import Options, RequestBehavior, request_behavior
from tidegate.simulator.outlook import ActiveFaults
from tidegate.simulator.refusal import Refusal, invalid

_WRITES = re.compile(r"gpt-(5\.[6-9]|[6-9])")
"""Models that state which tokens they write to the cache."""
_LONG = 1024
"""The number of tokens from which the prompt cache remembers a prompt."""


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
        self._seen: dict[int, None] = {}
        self._stored = StoredReasoning()
        options = self._options
        self._accounts = SimulatedAccounts(options.admin_key, options.api_key, self._clock, self._random)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send)
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

    async def _control(self, exchange: SimulatedExchange) -> None:
        """Serve the bill and the active faults. No key is needed, and these requests are not counted."""
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
                raise _unknown_url(exchange, Address(route="unknown"))
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
        call = BilledCall(id=f"req_{digits}", route=where.route)
        _note_caller(call, exchange.headers)
        exchange.reply_headers.update(_headers_of(call))
        with self._bill.call(call):
            try:
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
            raise _unknown_url(exchange, where)
        raw = await exchange.body()
        drawn = self._outlook.draw_fault(key_of(exchange.headers), self._random)
        how = request_behavior(self._options, exchange.headers, drawn)
        call.fault = how.fault
        if call.route == "models":
            if not await _strike(exchange, call, how):
                await self._answer_models(exchange, where, how)
            return
        call.note_body(raw)
        try:
            body = with_prompt(json_object(raw)) if call.route == "responses" else json_object(raw)
            reply = self._reply(exchange, call, self._with_model(where, body), how, digits)
        except Refusal:
            if not await _strike(exchange, call, how):
                raise
            return
        if where.azure:
            exchange.reply_headers = azure.headers_of(exchange.reply_headers, call.id)
            reply = _with_filter(reply, call.route)
        await self._deliver(exchange, call, reply, how)

    async def _deliver(
        self, exchange: SimulatedExchange, call: BilledCall, reply: SimulatedReply, how: RequestBehavior
    ) -> None:
        """Send the answer, and charge its tokens, whether or not it arrives."""
        meter = Meter(call.model or "", reply)
        if how.fault is not Fault.CONNECTION:
            meter.count_input()
        try:
            if not await _strike(exchange, call, how):
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
        if exchange.method == "DELETE":
            body = models.deleted(name)
        else:
            body = models.one_model(name) if name else models.every_model()
        reply = SimulatedReply(body=body)
        await deliver(exchange, reply, how, Meter(name, reply))  # a list costs nothing

    def _reply(
        self, exchange: SimulatedExchange, call: BilledCall, body: Json, how: RequestBehavior, digits: str
    ) -> SimulatedReply:
        model = _model_of(body, call.route)
        call.note_request(model, body)
        if how.fault is not Fault.RATE_LIMITED_BARE:
            exchange.reply_headers.update(self._limits.headers())
        if how.fault and (refused := refusal_for(how.fault, model=model, path=exchange.path)):
            raise refused
        if how.strict:
            check(call.route, body, self._stored)
        try:
            reply, wanted = self._make(call.route, body, how, digits)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # parameters without a check of their own raise errors when they are used
            raise invalid("Invalid type or value in the request.") from error
        if call.route == "responses" and body.get("store") is not False:
            self._stored.remember(reply.body)
        self._limits.admit(model, wanted)
        exchange.reply_headers.update(self._limits.headers())
        return reply

    def _make(self, route: str, body: Json, how: RequestBehavior, digits: str) -> tuple[SimulatedReply, int]:
        """Return the reply, and the tokens that the rate limit takes for it in advance."""
        identity = AnswerIdentity(digits=digits, now=self._clock.now())
        if route == "embeddings":
            reply = embeddings.reply(body)
            return reply, reply.input_tokens
        if route == "moderations":
            reply = moderations.reply(body, identity)
            return reply, reply.input_tokens
        module = chat if route == "chat" else responses
        question = module.generation_request(body, how.tokens)
        if "input" in how.usage:
            question = msgspec.structs.replace(question, input_tokens=how.usage["input"])
        cached, written = self._cached(question)
        kinds = {"cache_write": written, **how.usage}
        identity = msgspec.structs.replace(
            identity,
            cached_tokens=how.usage.get("cached", cached),
            kinds=TokenKinds(**{name: kinds[name] for name in TokenKinds.__struct_fields__ if name in kinds}),
            tools=how.tools,
            states_tool_usage=how.states_tool_usage,
        )
        return module.reply(body, question, identity), question.input_tokens + (question.max_tokens or 0)

    def _cached(self, question: GenerationRequest) -> tuple[int, int]:
        """Return the tokens of a long prompt that are read from the cache and written to it, in steps of 128.

        OpenAI states what is written from GPT-5.6 on, and charges more for it.
        """
        if question.input_tokens < _LONG:
            return 0, 0
        is_cached = question.seed in self._seen
        self._seen[question.seed] = None
        if len(self._seen) > 1000:
            del self._seen[next(iter(self._seen))]
        tokens = question.input_tokens // 128 * 128
        if is_cached:
            return tokens, 0
        return 0, tokens if _WRITES.match(question.model) else 0


async def _strike(exchange: SimulatedExchange, call: BilledCall, how: RequestBehavior) -> bool:
    """Let time pass; return whether a fault ended the exchange before any answer."""
    await exchange.pause(how.latency)
    if how.fault is Fault.TIMEOUT:
        await exchange.wait_for_disconnect()
    if how.fault is not Fault.CONNECTION:
        return False
    call.end = "broken"
    await exchange.reset()
    return True


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


def _unknown_url(exchange: SimulatedExchange, where: Address) -> Refusal:
    if where.wrong_method:
        hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
        return Refusal(405, f"Not allowed to {exchange.method} on {exchange.path}. {hint}", code="method_not_supported")
    message = (
        f"Invalid URL ({exchange.method} {exchange.path}). Please check the URL for typos, "
        "or see the docs at https://platform.openai.com/docs/api-reference/."
    )
    return Refusal(404, message, code="unknown_url")


def _model_of(body: Json, route: str) -> str:
    model = body.get("model")
    if isinstance(model, str) and model:
        return model
    if route == "moderations" and model is None:
        return "omni-moderation-latest"
    raise invalid("you must provide a model parameter")


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
