"""The handshake of a session: its key, its model, and the faults that refuse it. Called by app.py."""

from collections.abc import Callable
from random import Random
from typing import Any

from tidegate.core.clock import Clock
from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.billing.bill import Bill, BilledCall
from tidegate.simulator.billing.tariff import Tariff, TokenUsage
from tidegate.simulator.exchange import SimulatedExchange
from tidegate.simulator.faults import Fault, refusal_for
from tidegate.simulator.keys import ends_of
from tidegate.simulator.options import RequestBehavior
from tidegate.simulator.realtime.session import SimulatedSession
from tidegate.simulator.realtime.settings import new_session
from tidegate.simulator.realtime.socket import SimulatedSocket
from tidegate.simulator.refusal import Refusal, invalid

ROUTE = "realtime"
_SESSION_SECONDS = 3600
_ANY_MODEL = "gpt-realtime"
"""Whose tokens are counted where a session has no model."""
_TRANSCRIBES = "transcription"


class SimulatedRealtime:
    """Serves sessions."""

    def __init__(self, bill: Bill, tariff: Tariff, clock: Clock) -> None:
        self._bill = bill
        self._tariff = tariff
        self._clock = clock

    async def serve(
        self,
        handshake: SimulatedExchange,
        socket: SimulatedSocket,
        *,
        check_key: Callable[[], None],
        draw: Callable[[], RequestBehavior],
        random: Random,
    ) -> None:
        """Serve one session. `check_key` raises Refusal; `draw` returns the behaviour of the next response."""

        def new_id(prefix: str) -> str:
            return f"{prefix}{random.getrandbits(80):020x}"

        request_id = {"x-request-id": new_id("req_")}
        try:
            check_key()
            model = _model(handshake)
            how = draw()
            if how.fault is Fault.TIMEOUT:
                await handshake_silence(socket)
                return
            if how.fault and (refused := refusal_for(how.fault, model=model, path=handshake.path)):
                raise refused
        except Refusal as refused:
            await socket.refuse(refused, request_id)
            return
        offered = handshake.subprotocols
        await socket.accept("realtime" if "realtime" in offered else None)
        expires = int(self._clock.now()) + _SESSION_SECONDS
        session = SimulatedSession(
            socket,
            new_session(new_id("sess_"), model, expires_at=expires),
            tokens=tokens_for(model or _ANY_MODEL),
            random=random,
            draw=draw,
            charge=lambda charged, used, end: self._charge(handshake, new_id("req_"), charged, used, end),
            new_id=new_id,
        )
        try:
            await session.serve()
        except ClientDisconnected:
            return

    def _charge(self, handshake: SimulatedExchange, call_id: str, model: str, used: TokenUsage, end: str) -> None:
        call = BilledCall(id=call_id, route=ROUTE, model=model, stream=True, status=101)
        call.key_ends = ends_of(handshake.headers)
        with self._bill.call(call):
            call.end = end
            call.charge(used, self._tariff)


async def handshake_silence(socket: SimulatedSocket) -> None:
    """Answer nothing until the client has left."""
    try:
        await socket.receive()
    except (ClientDisconnected, Refusal):
        return


def _model(handshake: SimulatedExchange) -> str:
    """Return the model; empty for a session that only transcribes. Raises Refusal."""
    model: Any = handshake.query.get("model") or handshake.query.get("deployment")
    if model:
        return str(model)
    if handshake.query.get("intent") == _TRANSCRIBES:
        return ""
    raise invalid("You must provide a model parameter.", param="model", code="missing_model")
