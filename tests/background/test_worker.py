"""A job is asked and written down to its end, whatever happens to its process, its stores or its answer."""

import asyncio

import pytest

from tests.background.conftest import Made
from tests.background.parts import Process, ScriptedEvents, ScriptedRunner, decoded, manual, no_write, stream
from tests.eventually import PATIENCE_SECONDS, wait_until, wait_until_async
from tidegate.background.job import JobAttempt
from tidegate.background.worker import StopReason
from tidegate.core.errors import BudgetExceeded, CallerRateLimited, TidegateError, UpstreamServerError
from tidegate.core.events import Event, EventName


async def over(process: Process, name: str = "resp_1") -> str:
    """Wait for a job's end; the status it has then."""

    async def ended() -> bool:
        return not await process.store.current_attempts([name])

    await wait_until_async(ended)
    return str((await process.events(name))[-1]["response"]["status"])


async def test_an_answer_is_written_down(process: Made) -> None:
    said = ScriptedEvents()
    script = ScriptedRunner(said)
    async with process(script).running() as p1:
        await p1.add()
        said.push(*stream())
        said.end()
        assert await over(p1) == "completed"
        events = await p1.events()
    assert [one["sequence_number"] for one in events] == list(range(len(stream()) + 1))
    assert said.closed.is_set()
    assert script.writes == ["resp_1 in_progress", "resp_1 completed"]
    assert [begun.call_id for begun in script.attempts] == ["req_resp_1"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(UpstreamServerError("Broken."), "server_error"), (BudgetExceeded("Spent."), "rate_limit_exceeded")],
)
async def test_a_refusal_that_lasts_is_told(process: Made, error: TidegateError, code: str) -> None:
    script = ScriptedRunner(error)
    async with process(script).running() as p1:
        await p1.add()
        assert await over(p1) == "failed"
        failed = (await p1.events())[-1]["response"]
    assert failed["error"] == {"code": code, "message": error.message}
    assert len(script.attempts) == 1


async def test_a_refusal_that_passes_is_waited_for(process: Made) -> None:
    said = ScriptedEvents()
    script = ScriptedRunner(CallerRateLimited(retry_after=0.05), CallerRateLimited(retry_after=0.05), said)
    async with process(script).running() as p1:
        await p1.add()
        said.push(*stream())
        said.end()
        assert await over(p1) == "completed"
        kinds = await p1.kinds()
    assert kinds.count("in_progress") == 1
    assert len({begun.call_id for begun in script.attempts}) == 3


async def test_an_answer_that_breaks_off_keeps_what_came(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        said.push(*stream()[:6])
        said.end(UpstreamServerError("Broken."))
        assert await over(p1) == "failed"
        failed = (await p1.events())[-1]["response"]
    assert failed["output"][0]["content"][0]["text"]


async def test_an_answer_without_an_end_failed(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        said.push(*stream()[:6])
        said.end()
        assert await over(p1) == "failed"


async def test_cancelled_by_another_process_it_ends_at_once(process: Made) -> None:
    said = ScriptedEvents()
    script = ScriptedRunner(said)
    async with process(script).running() as p1, process(name="p2").listening() as p2:
        await p1.add()
        said.push(*stream()[:6])
        await wait_until(lambda: bool(script.attempts))
        assert await p2.completion.cancel("shop", "resp_1")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await said.closed.wait()
        assert await over(p1) == "cancelled"
        await wait_until(lambda: not p1.worker.active_jobs)
    assert script.writes == ["resp_1 in_progress"]


async def test_another_worker_goes_on_where_nothing_was_seen(process: Made) -> None:
    lost, said = ScriptedEvents(), ScriptedEvents()
    script = ScriptedRunner(lost, said)
    async with process(script).running() as p1, process(script, name="p2").running() as p2:
        await p1.add()
        lost.push(*stream()[:6])
        await wait_until(lambda: bool(script.attempts))
        for one in (p1, p2):
            one.worker.stop("resp_1", StopReason.SHUTDOWN)
        said.push(*stream())
        said.end()
        assert await over(p2) == "completed"
        events = await p2.events()
    assert [one["sequence_number"] for one in events] == list(range(len(stream()) + 1))
    assert lost.closed.is_set()
    assert len(script.attempts) == 2
    assert p1.emitted + p2.emitted == [Event(EventName.BACKGROUND_GIVEN_BACK)]


async def test_what_a_dead_process_left_is_taken_over(process: Made) -> None:
    said = ScriptedEvents()
    said.push(*stream())
    said.end()
    p1 = process(ScriptedRunner(said))
    await p1.add()
    begun = await p1.store.start_attempt("resp_1", worker="dead", now=p1.clock.now(), write_started=no_write)
    assert isinstance(begun, JobAttempt)
    await p1.store.append_events(begun, 2, stream()[1:5], has_content=True)
    async with p1.running():
        assert await over(p1) == "completed"
        events = await p1.events()
    assert [one["sequence_number"] for one in events] == list(range(len(stream()) + 1))
    assert p1.emitted == [Event(EventName.BACKGROUND_TAKEN_OVER)]


async def test_what_takes_too_long_fails(process: Made) -> None:
    said = ScriptedEvents()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add(seconds=1.5)
        said.push(*stream()[:6])
        assert await over(p1) == "failed"
        failed = (await p1.events())[-1]["response"]
    assert "background.deadline_seconds" in failed["error"]["message"]
    assert said.closed.is_set()


async def test_what_waited_too_long_fails_without_being_asked(process: Made) -> None:
    clock = manual()
    script = ScriptedRunner()
    p1 = process(script, clock=clock)
    await p1.add()
    clock.advance(3600)
    async with p1.running():
        assert await over(p1) == "failed"
    assert script.attempts == []
    assert p1.emitted == [Event(EventName.BACKGROUND_BROKEN)]


async def test_a_defect_is_tried_again_and_not_shown(process: Made) -> None:
    script = ScriptedRunner()  # it has no answer left, which is an IndexError
    async with process(script).running() as p1:
        await p1.add()
        await wait_until(lambda: bool(script.attempts) and not p1.worker.active_jobs)
        assert await p1.store.current_attempts(["resp_1"]) == {"resp_1": 1}


async def test_what_is_read_from_the_middle_is_json(process: Made) -> None:
    said = ScriptedEvents()
    said.push(*stream())
    said.end()
    async with process(ScriptedRunner(said)).running() as p1:
        await p1.add()
        await over(p1)
        found = await p1.log.read_after("shop", "resp_1", 4)
    assert found is not None
    assert decoded(found.events)[0]["sequence_number"] == 5
