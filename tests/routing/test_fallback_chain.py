"""A call goes down the ladder: what fails before the first content is seen by nobody, and the bill is right."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from tests.eventually import wait_until
from tests.routing.fake_provider import (
    DONE,
    ROLE,
    FakeProvider,
    chat_chunk,
    error_answer,
    event,
    streamed_answer,
    whole_answer,
    whole_body,
)
from tests.routing.fake_upstream_call import CANNED, STALE
from tests.routing.world import HERE, World
from tidegate.core import endpoints, errors
from tidegate.core.config import RetriesConfig
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors.response_error import CODES_OF_THE_CALLER
from tidegate.routing.health.circuit_breaker import Circuit
from tidegate.routing.health.credential_state import CredentialStatus

INVALID = error_answer(401, code="invalid_api_key")
EMPTY = error_answer(429, type="insufficient_quota", code="insufficient_quota")
BUSY = error_answer(429, type="requests", code="rate_limit_exceeded", message="Please try again in 1s.")
BROKEN = error_answer(500, type="server_error")
CREATED = event({"type": "response.created", "response": {"status": "in_progress"}}, "response.created")
FUNCTION = {"type": "function_call", "name": "f", "arguments": "{}"}
ADDED = event({"type": "response.output_item.added", "item": {}}, "response.output_item.added")
DELTA = event({"type": "response.output_text.delta", "delta": "Hi"}, "response.output_text.delta")
FAILED = event(
    {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "No."}}},
    "response.failed",
)
IN_STREAM = event({"type": "error", "error": {"code": "server_error", "message": "No."}}, "error")


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("says", "spare_says", "sent", "rung"),
    [
        ([whole_answer()], [whole_answer()], ["openai/main/m"], "first"),
        ([INVALID], [whole_answer()], ["openai/main/m", "openai/spare/m"], "credential"),
        ([EMPTY], [whole_answer()], ["openai/main/m", "openai/spare/m"], "credential"),
        ([BUSY], [whole_answer()], ["openai/main/m", "openai/spare/m"], "credential"),
        ([INVALID], [EMPTY], ["openai/main/m", "openai/spare/m", "azure/main/eu"], "target"),
        ([BROKEN, whole_answer()], [whole_answer()], ["openai/main/m", "openai/main/m"], "retry"),
        ([errors.ConnectionFailed()], [BROKEN], ["openai/main/m", "openai/main/m", "azure/main/eu"], "target"),
        ([errors.FirstByteTimeout()], [BROKEN], ["openai/main/m", "azure/main/eu"], "target"),
    ],
)
async def test_a_failure_costs_the_caller_nothing_while_anything_is_left(
    world: World, says: list[Any], spare_says: list[Any], sent: list[str], rung: str
) -> None:
    world.openai.answers(*says).answers(*spare_says, credential="spare")
    call = world.asked()
    head = await call.call.open()
    assert not head.stale
    assert world.sent == sent
    assert [lane for lane in call.lanes if lane] == sent
    assert (call.outcome.fallback_step, call.outcome.attempts, call.outcome.error) == (rung, len(sent), None)
    assert len(call.outcome.previous_attempts) == len(sent) - 1
    assert all(attempt.error is not None for attempt in call.outcome.previous_attempts)
    assert call.outcome.provider == sent[-1].partition("/")[0]
    assert len(await call.remaining_events()) == 1


async def test_a_credential_that_is_out_is_not_asked_again(world: World) -> None:
    world.openai.answers(INVALID)
    await world.asked().call.open()
    await world.asked().call.open()
    assert world.sent == ["openai/main/m", "openai/spare/m", "openai/spare/m"]
    assert world.board.snapshot.credentials["openai/main"].status is CredentialStatus.INVALID


async def test_a_target_that_is_down_is_not_asked_at_all(world: World) -> None:
    world.openai.answers(errors.FirstByteTimeout())
    for _ in range(5):
        await world.asked().call.open()
    assert world.board.snapshot.breaker(HERE).circuit is Circuit.OPEN
    assert (len(world.openai.sent_to), len(world.azure.sent_to)) == (3, 5)


async def test_retries_wait_and_stay_within_their_budget(world: World) -> None:
    world.openai.answers(BROKEN)
    world.azure.answers(whole_answer())
    call = world.asked(retries=RetriesConfig(max_retries=2, budget_min=1))
    await call.call.open()
    assert len(world.openai.sent_to) == 2
    assert len(call.pauses) == 1
    assert 0.1 <= call.pauses[0] <= 0.25


@pytest.mark.parametrize(
    ("spares", "cache", "served_by", "rung"),
    [
        ({"stale": STALE, "canned": CANNED}, True, "openai/m", "stale"),
        ({"canned": CANNED}, False, "canned", "canned"),
    ],
)
async def test_where_nobody_answers_a_spare_answer_is_given_and_costs_nothing(
    world: World, spares: Any, cache: bool, served_by: str, rung: str
) -> None:
    world.openai.answers(errors.FirstByteTimeout())
    call = world.asked(HERE, **spares)
    head = await call.call.open()
    assert (head.stale, head.served_by) == (cache, served_by)
    assert call.outcome.fallback_step == rung
    assert (call.outcome.sent, call.outcome.attempts, call.outcome.storable) == (False, 1, False)
    assert call.outcome.error is None
    assert len(await call.remaining_events()) == 1


async def test_where_nothing_is_left_the_caller_is_told(world: World) -> None:
    world.openai.answers(errors.FirstByteTimeout())
    call = world.asked(HERE)
    with pytest.raises(errors.FirstByteTimeout):
        await call.call.open()
    assert (call.outcome.attempts, call.outcome.fallback_step) == (1, "first")
    assert isinstance(call.outcome.error, errors.FirstByteTimeout)


async def test_the_callers_own_mistake_goes_nowhere_else(world: World) -> None:
    world.openai.answers(error_answer(400, code="context_length_exceeded"))
    call = world.asked(stale=STALE, canned=CANNED)
    with pytest.raises(errors.ContextLengthExceeded):
        await call.call.open()
    assert world.sent == ["openai/main/m"]


@pytest.mark.parametrize(
    ("route", "pieces"),
    [
        (endpoints.CHAT, [ROLE, event({"error": {"message": "No.", "type": "server_error"}})]),
        (endpoints.CHAT, [ROLE, errors.IdleTimeout()]),
        (endpoints.CHAT, [ROLE]),
        (endpoints.CHAT, [ROLE, b"data: {broken\n\n"]),
        (endpoints.CHAT, [DONE]),
        (endpoints.RESPONSES, [CREATED, ADDED, IN_STREAM]),
        (endpoints.RESPONSES, [CREATED, FAILED]),
        (endpoints.RESPONSES, [CREATED, errors.TruncatedAnswer()]),
    ],
)
async def test_a_stream_that_fails_before_it_says_anything_goes_on_elsewhere(
    world: World, route: Endpoint, pieces: list[Any]
) -> None:
    said_there = {
        endpoints.CHAT: [ROLE, chat_chunk("Hi"), chat_chunk("", "stop"), DONE],
        endpoints.RESPONSES: [CREATED, ADDED, DELTA, event(
            {"type": "response.completed", "response": {"status": "completed", "output": [FUNCTION]}},
            "response.completed",
        )],
    }[route]  # fmt: skip
    world.openai.answers(streamed_answer(*pieces))
    world.azure.answers(streamed_answer(*said_there))
    call = world.asked(route=route, stream=True, retries=RetriesConfig(max_retries=0))
    head = await call.call.open()
    assert (head.stream, head.served_by.partition("/")[0]) == (True, "azure")
    assert await call.remaining_events() == said_there
    assert (call.outcome.events, call.outcome.storable) == (tuple(said_there), True)


def _refusals(code: str) -> list[tuple[Endpoint, list[bytes]]]:
    """The forms in which an error with this code stands inside a 200, before any content and after some."""
    error = {"code": code, "message": "No."}
    failed = event({"type": "response.failed", "response": {"status": "failed", "error": error}}, "response.failed")
    return [
        (endpoints.CHAT, [ROLE, event({"error": error})]),
        (endpoints.CHAT, [ROLE, chat_chunk("Hi"), event({"error": error})]),
        (endpoints.RESPONSES, [CREATED, event({"type": "error", "error": error}, "error")]),
        (endpoints.RESPONSES, [CREATED, ADDED, DELTA, event({"type": "error", **error}, "error")]),
        (endpoints.RESPONSES, [CREATED, failed]),
        (endpoints.RESPONSES, [CREATED, ADDED, DELTA, failed]),
    ]


@pytest.mark.parametrize("code", [*sorted(CODES_OF_THE_CALLER), "cyber_policy", "content_filter", "a_new_code"])
async def test_an_error_inside_an_answer_that_is_not_the_servers_goes_nowhere_else(world: World, code: str) -> None:
    for route, pieces in _refusals(code):
        world.openai.answers(streamed_answer(*pieces))
        for _ in range(4):  # more than open a breaker
            call = world.asked(route=route, stream=True, stale=STALE, canned=CANNED)
            with contextlib.suppress(errors.UpstreamError):
                await call.call.open()
                await call.remaining_events()
            assert call.outcome.reported_error is not None
            assert (call.outcome.attempts, call.outcome.fallback_step) == (1, "first")
        assert world.board.snapshot.breaker(HERE).circuit is Circuit.CLOSED
    assert set(world.sent) == {"openai/main/m"}
    assert not world.board.snapshot.credentials


@pytest.mark.parametrize("code", ["invalid_prompt", "bio_policy", "a_new_code"])
async def test_a_whole_answer_that_refuses_the_prompt_is_given_as_it_is(world: World, code: str) -> None:
    failed = {"status": "failed", "error": {"code": code, "message": "No."}, "output": []}
    world.openai.answers(whole_body(failed))
    call = world.asked(route=endpoints.RESPONSES, stale=STALE, canned=CANNED)
    await call.call.open()
    assert await call.remaining_events() == [msgspec.json.encode(failed)]
    assert (call.outcome.error, call.outcome.storable, world.sent) == (None, False, ["openai/main/m"])
    world.openai.answers(whole_body({"error": {"code": code, "message": "No."}}))
    with pytest.raises(errors.UpstreamError) as refused:
        await world.asked(stale=STALE, canned=CANNED).call.open()
    assert not refused.value.retryable
    assert world.sent == ["openai/main/m"] * 2


async def test_after_the_first_content_a_failure_is_the_callers_and_counts(world: World) -> None:
    world.openai.answers(streamed_answer(ROLE, chat_chunk("Hi"), errors.TruncatedAnswer()))
    for _ in range(3):
        call = world.asked(stream=True)
        await call.call.open()
        with pytest.raises(errors.TruncatedAnswer):
            await call.remaining_events()
        assert call.outcome.events == (ROLE, chat_chunk("Hi"))
    assert world.board.snapshot.breaker(HERE).circuit is Circuit.OPEN


async def test_a_response_that_says_itself_that_it_failed_is_handed_on_where_nobody_else_answers(world: World) -> None:
    world.openai.answers(streamed_answer(CREATED, FAILED))
    call = world.asked(HERE, route=endpoints.RESPONSES, stream=True, retries=RetriesConfig(max_retries=0))
    await call.call.open()
    assert await call.remaining_events() == [CREATED, FAILED]
    assert isinstance(call.outcome.reported_error, errors.UpstreamServerError)
    assert (call.outcome.previous_attempts, call.outcome.attempts) == ((), 1)


async def test_a_refusal_for_the_rate_is_waited_out_in_the_lane(world: World) -> None:
    world.openai = FakeProvider("openai").answers(BUSY, BUSY, whole_answer())
    call = world.asked(HERE, turns=5)
    await call.call.open()
    assert len(world.sent) == 3
    assert len(call.slots) == 1
    assert [heard for heard in call.slots[0].log if heard.startswith("refused")] == ["refused for 1.0 s, no limit"] * 2
    assert call.outcome.attempts == 3


async def test_a_call_that_waits_for_a_target_that_goes_down_goes_elsewhere(world: World) -> None:
    call = world.asked(waits_for=asyncio.Event().wait)
    opening = asyncio.create_task(call.call.open())
    await wait_until(lambda: bool(call.slots))
    for _ in range(3):
        world.board.note_failure(HERE, world.openai.credentials[0], errors.UpstreamServerError())
    head = await opening
    assert head.served_by == "azure/eu-1"
    assert world.sent == ["azure/main/eu"]


async def test_a_silent_target_releases_those_who_wait_for_its_answer(world: World) -> None:
    forever = asyncio.Event()
    world.openai.answers(forever.wait)
    call = world.asked()
    opening = asyncio.create_task(call.call.open())
    await wait_until(lambda: bool(world.sent))
    world.board.note_silence(HERE, errors.ConnectionFailed("Gone."))
    head = await opening
    assert head.served_by == "azure/eu-1"
    assert world.board.traffic(HERE).unanswered == 0


async def test_a_first_step_that_has_become_senseless_is_not_taken(world: World) -> None:
    call = world.asked(first=True)
    for _ in range(3):
        world.board.note_failure(HERE, world.openai.credentials[0], errors.UpstreamServerError())
    await call.call.open()
    assert world.sent == ["azure/main/eu"]
    assert call.slots[0].log == ["declined"]


async def test_what_does_not_fit_a_target_is_sent_to_the_next_and_its_turn_goes_to_others(world: World) -> None:
    world.openai.build_error = errors.UnsupportedByTarget("It takes no `n`.")
    call = world.asked()
    await call.call.open()
    assert world.sent == ["azure/main/eu"]
    assert call.slots[0].log == ["declined"]
    assert call.outcome.attempts == 1


async def test_a_call_that_has_had_its_time_asks_nobody_any_more(world: World) -> None:
    async def late() -> Any:
        world.clock.advance(700.0)
        raise errors.FirstByteTimeout

    world.openai.answers(late)
    world.azure.answers(asyncio.Event().wait)
    call = world.asked(patience=60.0, total_seconds=600.0)
    with pytest.raises(errors.TidegateError):
        await asyncio.wait_for(call.call.open(), 5)
    assert isinstance(call.outcome.error, errors.FirstByteTimeout | errors.TotalTimeout)


async def test_the_first_step_is_kept_for_a_plan_only_while_all_is_well(world: World) -> None:
    call = world.asked(first=True)
    plan, deadline = call.plan, world.clock.now() + 60
    first = call.chain.first_step(plan, deadline=deadline)
    assert first is not None
    assert first.lane == "openai/main/m"
    assert call.chain.first_step(plan, deadline=deadline) is first
    other = call.chain.first_step(msgspec.structs.replace(plan, targets=plan.targets[1:]), deadline=deadline)
    assert other is not None
    assert other.target.name == "azure/eu"
    world.board.note_busy(first.lane, 1.0)
    elsewhere = call.chain.first_step(plan, deadline=deadline)
    assert elsewhere is not None
    assert elsewhere.lane == "openai/spare/m"


@pytest.mark.parametrize("failure", [BROKEN, INVALID, errors.ConnectionFailed()])
@pytest.mark.parametrize("has_free_connection", [True, False])
async def test_a_call_that_was_sent_at_once_falls_back_like_any_other(
    world: World, failure: Any, has_free_connection: bool
) -> None:
    """What is sent at once and fails leads down the chain, with the failed attempt in the outcome."""
    world.openai.has_free_connection = has_free_connection
    world.openai.answers(failure)
    call = world.asked(first=True)
    head = await call.call.open()
    assert head.served_by.startswith(("openai/", "azure/"))
    assert call.outcome.error is None
    assert call.outcome.previous_attempts
    assert call.outcome.attempts == len(world.sent)


async def test_a_call_that_is_sent_at_once_takes_one_slot_and_no_task(world: World) -> None:
    before = len(asyncio.all_tasks())
    call = world.asked(first=True)
    await call.call.open()
    assert len(asyncio.all_tasks()) == before
    assert [slot.log[0] for slot in call.slots] == ["come"]
    assert world.sent == ["openai/main/m"]


@pytest.mark.parametrize("steps", range(1, 6))
async def test_an_opening_that_is_interrupted_anywhere_goes_on_when_called_again(world: World, steps: int) -> None:
    """The call is sent once and settled once, however often its reader is cancelled."""

    async def late() -> Any:
        await asyncio.sleep(0)
        return await streamed_answer(ROLE, lambda: asyncio.sleep(0), chat_chunk("Hi", "stop"), DONE)()

    world.openai.answers(late)
    call = world.asked(first=True, stream=True)
    for turns in range(steps):
        opening = asyncio.create_task(call.call.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait({opening})
    assert (await call.call.open()).stream
    assert (await call.remaining_events())[-1] == DONE
    assert len(world.sent) == len(call.outcomes) == 1
