"""A job ends once: answered, failed or cancelled; and what was said of it is kept."""

import asyncio
from typing import Any

from tests.background.conftest import Made
from tests.background.parts import WORDS, Process, ScriptedRunner, first_events, new_job, no_write, stream
from tidegate.background.job import JobAttempt, JobStatus
from tidegate.background.job_store import TransactionWrite
from tidegate.core.errors import NotStorable, UpstreamServerError
from tidegate.storage.postgres import Connection


async def under_way(process: Process, events: list[bytes]) -> JobAttempt:
    await process.store.add(
        new_job(now=process.clock.now()), first_events(), process.queue, max_open=9, write_response=no_write
    )
    begun = await process.store.start_attempt("resp_1", worker="p1", now=process.clock.now(), write_started=no_write)
    assert isinstance(begun, JobAttempt)
    if events:
        await process.store.append_events(begun, 2, events, has_content=True)
    return begun


async def last(process: Process) -> dict[str, Any]:
    return (await process.events())[-1]


async def test_an_answer_ends_its_job(process: Made) -> None:
    p1 = process()
    begun = await under_way(p1, stream()[1:-1])
    assert await p1.completion.complete(begun, stream()[-1], write_response=no_write)
    event = await last(p1)
    assert (event["type"], event["sequence_number"]) == ("response.completed", len(stream()))
    assert not await p1.completion.complete(begun, stream()[-1], write_response=no_write)
    assert not await p1.completion.cancel("shop", "resp_1")


async def test_an_older_attempt_ends_nothing(process: Made) -> None:
    p1 = process()
    begun = await under_way(p1, [])
    await p1.store.start_attempt("resp_1", worker="p2", now=p1.clock.now(), write_started=no_write)
    assert not await p1.completion.complete(begun, stream()[-1], write_response=no_write)
    assert not await p1.completion.fail("resp_1", UpstreamServerError(), attempt=begun.number)


async def test_what_is_cancelled_keeps_what_was_said(process: Made) -> None:
    script = ScriptedRunner()
    p1 = process(script)
    await under_way(p1, stream()[1:6])
    assert await p1.completion.cancel("shop", "resp_1")
    event = await last(p1)
    assert (event["type"], event["sequence_number"]) == ("response.failed", 7)
    document = event["response"]
    assert (document["status"], document["error"], document["id"]) == ("cancelled", None, "resp_1")
    (item,) = document["output"]
    assert item["status"] == "incomplete"
    assert item["content"][0]["text"]
    assert WORDS.startswith(item["content"][0]["text"])
    assert script.writes == ["resp_1 cancelled"]
    assert not await p1.completion.cancel("shop", "resp_1")
    assert script.writes == ["resp_1 cancelled"]


async def test_what_waits_is_cancelled_too(process: Made) -> None:
    p1 = process()
    await p1.add()
    assert await p1.completion.cancel("shop", "resp_1")
    assert await p1.kinds() == ["created", "queued", "failed"]


async def test_a_failure_says_why(process: Made) -> None:
    script = ScriptedRunner()
    p1 = process(script)
    begun = await under_way(p1, stream()[1:4])
    assert await p1.completion.fail("resp_1", UpstreamServerError("It broke."), attempt=begun.number)
    document = (await last(p1))["response"]
    assert document["status"] == "failed"
    assert document["error"] == {"code": "server_error", "message": "It broke."}
    assert script.writes == ["resp_1 failed"]


async def test_many_are_ended_at_once_with_few_connections(process: Made) -> None:
    p1 = process()
    names = [f"resp_{n}" for n in range(12)]
    for name in names:
        await p1.add(name)
    assert all(await asyncio.gather(*(p1.completion.cancel("shop", name) for name in names)))


async def test_what_cannot_be_kept_is_left_out(process: Made) -> None:
    p1 = process(UnstorableOutput())
    await under_way(p1, stream()[1:6])
    assert await p1.completion.cancel("shop", "resp_1")
    assert p1.script.writes == ["resp_1 cancelled without output"]


class UnstorableOutput(ScriptedRunner):
    """A runner whose output cannot be stored."""

    def write_partial(self, job: JobStatus, document: dict[str, Any]) -> TransactionWrite:
        async def also(_: Connection) -> None:
            if document["output"]:
                raise NotStorable
            self.writes.append(f"{job.response_id} {document['status']} without output")

        return also


async def test_nobody_cancels_what_is_anothers(process: Made) -> None:
    p1 = process()
    await p1.add()
    assert not await p1.completion.cancel("bank", "resp_1")
    assert await p1.kinds() == ["created", "queued"]


async def test_no_job_has_no_end(process: Made) -> None:
    assert not await process().completion.cancel("shop", "resp_0")
