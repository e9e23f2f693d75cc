"""Each response of a session is held once and charged once, whatever the upstream sends and in whatever order."""

from typing import Any

import msgspec
import pytest

from tidegate.core.clock import ManualClock
from tidegate.core.config import MeteringConfig
from tidegate.core.errors import BudgetExceeded, ModelNotAllowed, ShuttingDown
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Caller
from tidegate.limits.scopes import Reservation
from tidegate.metering import price_list
from tidegate.metering.prices import Prices
from tidegate.metering.realtime.session_usage import RealtimeAccountant
from tidegate.pipeline.realtime.meter import SessionMeter
from tidegate.pipeline.realtime.reservations import ResponseHold, SessionReservations
from tidegate.pipeline.realtime.session import SessionContext, SessionRequest
from tidegate.providers.target import Target
from tidegate.wire.realtime.client_events import read_client_event
from tidegate.wire.realtime.server_events import read_server_event

REQUEST = SessionRequest(id="req_1", authorization="", headers={}, model="gpt-realtime", parameters={})
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
COST = 10 * 4_000 + 5 * 16_000


class FakeReservations(SessionReservations):
    """Keeps what is held and charged in memory."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self.caller = context.caller
        self.held: list[str] = []
        self.charged: list[LedgerEntry] = []
        self.refusal: Exception | None = None
        self.is_used_up = False
        self._made = 0

    @property
    def limits_money(self) -> bool:
        return False

    async def hold(self, *, cost_nanos: int, tokens: int, counts: bool) -> ResponseHold:
        assert cost_nanos > 0
        assert counts or tokens == 0
        if self.refusal is not None:
            raise self.refusal
        self._made += 1
        entry = self._context.entry(f"req_1-{self._made}", at=0.0)
        self.held.append(entry.id)
        reservation = Reservation(
            prefix="", id=entry.id, day="", month="", midnight=0.0, month_end=0.0, scope_names=(), scopes=(), tokens=0,
            cost_nanos=0, lease_seconds=1.0,
        )  # fmt: skip
        return ResponseHold(entry=entry, reservation=reservation, dataset_id="1")

    async def release(self, hold: ResponseHold) -> None:
        self.held.remove(hold.entry.id)

    async def settle(self, hold: ResponseHold | None, entry: LedgerEntry) -> None:
        if hold is not None:
            self.held.remove(hold.entry.id)
        self.charged.append(entry)

    async def check_budget(self) -> None:
        if self.is_used_up:
            raise BudgetExceeded

    async def end(self, entry: LedgerEntry) -> None:
        self.charged.append(entry)


class Played:
    """A meter, and what it has held and charged."""

    def __init__(self, *models: str) -> None:
        caller = Caller(key_id="k", project="p", name="n", models=frozenset(models))
        context = SessionContext(
            request=REQUEST, caller=caller, tags=None, target=Target("openai", "gpt-realtime"), started_at=0.0, at=0.0
        )
        self.reservations = FakeReservations(context)
        self.meter = SessionMeter(
            context,
            self.reservations,
            RealtimeAccountant(Prices(MeteringConfig(), price_list.load())),
            clock=ManualClock(),
            assumed_output_tokens=100,
            allowed_models=(),
            on_entry=lambda *_: None,
        )

    async def client(self, kind: str, **fields: Any) -> None:
        await self.meter.admit(read_client_event(msgspec.json.encode({"type": kind, **fields})))

    async def upstream(self, kind: str, **fields: Any) -> None:
        await self.meter.note(read_server_event(msgspec.json.encode({"type": kind, **fields})))

    async def begun(self, name: str) -> None:
        await self.upstream("response.created", response={"id": name})

    async def done(self, name: str, usage: Any = USAGE, status: str = "completed") -> None:
        await self.upstream("response.done", response={"id": name, "status": status, "usage": usage})

    @property
    def costs(self) -> list[int]:
        return [entry.cost_nanos for entry in self.reservations.charged]


async def test_a_response_is_held_and_charged_once_however_often_it_ends() -> None:
    played = Played()
    await played.client("response.create")
    assert played.reservations.held == ["req_1-1"]
    await played.begun("a")
    for _ in range(3):
        await played.done("a")
    await played.begun("a")
    assert (played.reservations.held, played.costs) == ([], [COST])
    assert played.reservations.charged[0].upstream_request_id == "a"


async def test_audio_holds_one_response_until_it_has_begun() -> None:
    played = Played()
    for _ in range(3):
        await played.client("input_audio_buffer.append", audio="AAAA")
    assert played.reservations.held == ["req_1-1"]
    await played.client("response.create")
    assert played.reservations.held == ["req_1-2"]
    await played.begun("a")
    await played.done("a")
    assert (played.reservations.held, played.costs) == ([], [COST])


async def test_a_response_that_begins_by_itself_is_held_then() -> None:
    played = Played()
    await played.begun("a")
    assert played.reservations.held == ["req_1-1"]


async def test_one_that_was_never_seen_to_begin_is_charged_all_the_same() -> None:
    played = Played()
    await played.done("a")
    assert played.costs == [COST]


@pytest.mark.parametrize(("named", "error"), [({}, {}), ({"event_id": "mine"}, {"event_id": "mine"})])
async def test_a_response_that_the_upstream_refuses_is_given_back(named: Any, error: Any) -> None:
    played = Played()
    await played.client("response.create", **named)
    await played.upstream("error", error={"event_id": "another"})
    assert played.reservations.held == ["req_1-1"]
    await played.upstream("error", error=error)
    assert (played.reservations.held, played.costs) == ([], [])


async def test_usage_that_is_not_stated_is_estimated_from_what_came() -> None:
    played = Played()
    await played.client("response.create")
    await played.begun("a")
    await played.upstream("response.output_audio.delta", response_id="a", delta="A" * 64_000)
    await played.done("a", usage=None)
    (entry,) = played.reservations.charged
    assert entry.estimated
    assert entry.output_tokens == 20


async def test_one_that_failed_before_it_said_anything_costs_nothing() -> None:
    played = Played()
    await played.client("response.create")
    await played.begun("a")
    await played.done("a", usage=None, status="failed")
    assert [(entry.cost_nanos, entry.outcome) for entry in played.reservations.charged] == [(0, "server_error")]


async def test_a_budget_that_is_used_up_is_told_after_the_charge() -> None:
    played = Played()
    await played.client("response.create")
    await played.begun("a")
    played.reservations.is_used_up = True
    with pytest.raises(BudgetExceeded):
        await played.done("a")
    assert played.costs == [COST]


async def test_audio_that_was_refused_is_not_tried_again_at_once() -> None:
    played = Played()
    played.reservations.refusal = BudgetExceeded()
    with pytest.raises(BudgetExceeded):
        await played.client("input_audio_buffer.append", audio="AAAA")
    played.reservations.refusal = None
    with pytest.raises(BudgetExceeded):
        await played.client("input_audio_buffer.append", audio="AAAA")


async def test_a_model_that_is_not_the_keys_is_refused_wherever_it_stands() -> None:
    played = Played("gpt-realtime")
    await played.client("session.update", session={"model": "gpt-realtime"})
    with pytest.raises(ModelNotAllowed):
        await played.client("session.update", session={"audio": {"input": {"transcription": {"model": "whisper-1"}}}})


async def test_no_response_begins_while_the_process_ends() -> None:
    played = Played()
    played.meter.is_draining = True
    with pytest.raises(ShuttingDown):
        await played.client("response.create")
    await played.client("conversation.item.create", item={"type": "message"})


async def test_the_end_charges_what_was_in_progress_and_gives_back_the_rest() -> None:
    played = Played()
    await played.client("response.create")
    await played.begun("a")
    await played.client("input_audio_buffer.append", audio="AAAA")
    await played.client("response.create")
    await played.meter.end(None)
    assert played.reservations.held == []
    assert [entry.id for entry in played.reservations.charged] == ["req_1-1", "req_1"]
    assert not played.meter.is_busy
