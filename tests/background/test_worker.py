"""A job is asked and written down to its end, whatever happens to its process, its stores or its answer."""

import asyncio

import pytest

from tests.background.conftest import Made
from tests.background.parts import Process, Said, Script, decoded, manual, nothing_else, stream
from tests.eventually import PATIENCE_SECONDS, until, until_so
from tidegate.background.job import Begun
from tidegate.background.worker import Stop
from tidegate.core.errors import BudgetExceeded, CallerLimited, ServerFailure, TidegateError
from tidegate.core.events import Happening, Own


async def over(process: Process, name: str = "resp_1") -> str:
    """Wait for a job's end; the status it has then."""

    async def ended() -> bool:
        return not await process.store.attempts([name])

    await until_so(ended)
    return str((await process.said(name))[-1]["response"]["status"])


async def test_an_answer_is_written_down(process: Made) -> None:
    said = Said()
    script = Script(said)
    async with process(script).running() as p1:
        await p1.add()
        said.say(*stream())
        said.end()
        assert await over(p1) == "completed"
        events = await p1.said()
    assert [one["sequence_number"] for one in events] == list(range(len(stream()) + 1))
    assert said.left.is_set()
    assert script.kept == ["resp_1 in_progress", "resp_1 completed"]
    assert [begun.call_id for begun in script.asked] == ["req_resp_1"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(ServerFailure("Broken."), "server_error"), (BudgetExceeded("Spent."), "rate_limit_exceeded")],
)
async def test_a_refusal_that_lasts_is_told(process: Made, error: TidegateError, code: str) -> None:
    script = Script(error)
    async with process(script).running() as p1:
        await p1.add()
        assert await over(p1) == "failed"
        failed = (await p1.said())[-1]["response"]
    assert failed["error"] == {"code": code, "message": error.message}
    assert len(script.asked) == 1


async def test_a_refusal_that_passes_is_waited_for(process: Made) -> None:
    said = Said()
    script = Script(CallerLimited(retry_after=0.05), CallerLimited(retry_after=0.05), said)
    async with process(script).running() as p1:
        await p1.add()
        said.say(*stream())
        said.end()
        assert await over(p1) == "completed"
        kinds = await p1.kinds()
    assert kinds.count("in_progress") == 1
    assert len({begun.call_id for begun in script.asked}) == 3


async def test_an_answer_that_breaks_off_keeps_what_came(process: Made) -> None:
    said = Said()
    async with process(Script(said)).running() as p1:
        await p1.add()
        said.say(*stream()[:6])
        said.end(ServerFailure("Broken."))
        assert await over(p1) == "failed"
        failed = (await p1.said())[-1]["response"]
    assert failed["output"][0]["content"][0]["text"]


async def test_an_answer_without_an_end_failed(process: Made) -> None:
    said = Said()
    async with process(Script(said)).running() as p1:
        await p1.add()
        said.say(*stream()[:6])
        said.end()
        assert await over(p1) == "failed"


async def test_cancelled_by_another_process_it_ends_at_once(process: Made) -> None:
    said = Said()
    script = Script(said)
    async with process(script).running() as p1, process(name="p2").reading() as p2:
        await p1.add()
        said.say(*stream()[:6])
        await until(lambda: bool(script.asked))
        assert await p2.closing.cancel("shop", "resp_1")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await said.left.wait()
        assert await over(p1) == "cancelled"
        await until(lambda: not p1.worker.busy)
    assert script.kept == ["resp_1 in_progress"]


async def test_another_worker_goes_on_where_nothing_was_seen(process: Made) -> None:
    lost, said = Said(), Said()
    script = Script(lost, said)
    async with process(script).running() as p1, process(script, name="p2").running() as p2:
        await p1.add()
        lost.say(*stream()[:6])
        await until(lambda: bool(script.asked))
        for one in (p1, p2):
            one.worker.stop("resp_1", Stop.CLOSING)
        said.say(*stream())
        said.end()
        assert await over(p2) == "completed"
        events = await p2.said()
    assert [one["sequence_number"] for one in events] == list(range(len(stream()) + 1))
    assert lost.left.is_set()
    assert len(script.asked) == 2
    assert p1.happened + p2.happened == [Happening(Own.BACKGROUND_GIVEN_BACK)]


async def test_what_a_dead_process_left_is_taken_over(process: Made) -> None:
    said = Said()
    said.say(*stream())
    said.end()
    p1 = process(Script(said))
    await p1.add()
    begun = await p1.store.begin("resp_1", worker="dead", now=p1.clock.now(), also=nothing_else)
    assert isinstance(begun, Begun)
    await p1.store.append(begun, 2, stream()[1:5], content=True)
    async with p1.running():
        assert await over(p1) == "completed"
        events = await p1.said()
    assert [one["sequence_number"] for one in events] == list(range(len(stream()) + 1))
    assert p1.happened == [Happening(Own.BACKGROUND_TAKEN_OVER)]


async def test_what_takes_too_long_fails(process: Made) -> None:
    said = Said()
    async with process(Script(said)).running() as p1:
        await p1.add(seconds=0.3)
        said.say(*stream()[:6])
        assert await over(p1) == "failed"
        failed = (await p1.said())[-1]["response"]
    assert "background.deadline_seconds" in failed["error"]["message"]
    assert said.left.is_set()


async def test_what_waited_too_long_fails_without_being_asked(process: Made) -> None:
    clock = manual()
    script = Script()
    p1 = process(script, clock=clock)
    await p1.add()
    clock.advance(3600)
    async with p1.running():
        assert await over(p1) == "failed"
    assert script.asked == []
    assert p1.happened == [Happening(Own.BACKGROUND_BROKEN)]


async def test_a_defect_is_tried_again_and_not_shown(process: Made) -> None:
    script = Script()  # it has no answer left, which is an IndexError
    async with process(script).running() as p1:
        await p1.add()
        await until(lambda: bool(script.asked) and not p1.worker.busy)
        assert await p1.store.attempts(["resp_1"]) == {"resp_1": 1}


async def test_what_is_read_from_the_middle_is_json(process: Made) -> None:
    said = Said()
    said.say(*stream())
    said.end()
    async with process(Script(said)).running() as p1:
        await p1.add()
        await over(p1)
        found = await p1.log.after("shop", "resp_1", 4)
    assert found is not None
    assert decoded(found.events)[0]["sequence_number"] == 5
