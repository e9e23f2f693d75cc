"""The release before and this one serve side by side on the same stores, and the money is right.

Until a release is tagged, the release before is the commit before the names of keys in Redis were changed. A clone
without that commit skips these tests.
"""

import asyncio
import io
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.eventually import wait_until_async
from tests.harness import RESPONSES, Answer, Gateway, Json, World, ask
from tidegate.auth.grants import KeyChange, LimitsChange
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

PREVIOUS_RELEASE = "f5a4284"
ROOT = Path(__file__).parents[2]
DOLLAR = 10**9
DEAR = {"x_simulate_tokens": "100"}
ROUNDS = 10


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the release before, in a folder of its own."""
    archive = subprocess.run(
        ["git", "archive", PREVIOUS_RELEASE, "tidegate"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode != 0:
        pytest.skip(f"this clone has no commit {PREVIOUS_RELEASE}")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    shutil.copytree(ROOT / "tests" / "previous_release" / "rs_bpe", folder / "rs_bpe")
    return folder


@pytest.fixture
async def world(clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(clean_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


async def mixed_calls(gateways: list[Gateway], tag: str) -> list[Answer]:
    """Make calls of every kind by turns; what one gateway stored, the other one reads."""
    answers: list[Answer] = []
    for number in range(ROUNDS):
        one, other = gateways[number % 2], gateways[(number + 1) % 2]
        question = ask(f"{tag} {number}")
        answers.append(await one.chat(question))
        hit = await other.chat(question)
        assert hit.headers["x-tidegate-cache"] == "hit", "what one release stored, the other finds"
        answers += [hit, await other.chat(ask(f"{tag} streamed {number}", stream=True))]
        stored = await one.call("/responses", {**RESPONSES, "input": f"{tag} {number}", "store": True})
        again = await other.call(f"/responses/{stored.json['id']}")
        assert again.json["output"] == stored.json["output"]
        follow_up = {**RESPONSES, "input": "and then?", "previous_response_id": stored.json["id"], "store": True}
        answers += [stored, await other.call("/responses", follow_up)]
    return answers


async def assert_all_in_ledger(world: World, answers: list[Answer]) -> None:
    assert {answer.status for answer in answers} == {200}
    ids = {answer.headers["x-request-id"] for answer in answers}
    entries = await world.ledger_entries(len(ids))
    assert {entry["id"] for entry in entries} == ids


@pytest.mark.parametrize("is_old_first", [True, False])
async def test_calls_of_every_kind_and_then_one_release_goes(world: World, previous: Path, is_old_first: bool) -> None:
    async with world.process(release=previous if is_old_first else None) as staying:
        answers = [await staying.chat(ask("alone"))]
        async with world.process(release=None if is_old_first else previous) as coming:
            answers += await mixed_calls([staying, coming], "together")
            assert await coming.stop() == 0
        answers += await mixed_calls([staying, staying], "afterwards")
        await assert_all_in_ledger(world, answers)


async def spend(gateway: Gateway, key: str, count: int, tag: str) -> list[Answer]:
    """Make calls until the budget is used up or `count` calls were made."""
    calls: list[Json] = [ask(f"{tag} {number}", max_tokens=100) for number in range(count)]
    return list(await asyncio.gather(*(gateway.chat(call, authorization=f"Bearer {key}", **DEAR) for call in calls)))


async def test_both_spend_one_budget_and_no_more(world: World, previous: Path) -> None:
    budget = DOLLAR // 500
    granted = KeyChange(limits=LimitsChange(budget_day=budget))
    key = (await world.keys.create(project="shop", name="budgeted", grants=granted)).token
    async with world.process(release=previous) as old, world.process() as new:
        rounds = await asyncio.gather(spend(old, key, 40, "old"), spend(new, key, 40, "new"))
        answers = [answer for answers in rounds for answer in answers]
        assert {answer.status for answer in answers} == {200, 429}
        answered = [answer for answer in answers if answer.status == 200]
        entries = await world.ledger_entries(len(answered))
        spent = sum(entry["cost_nanos"] for entry in entries)
        assert 0 < spent <= budget
        late = await new.chat(ask("late", max_tokens=100), authorization=f"Bearer {key}", **DEAR)
        assert late.status in (200, 429)


async def test_background_responses_are_taken_over_by_the_other_release(world: World, previous: Path) -> None:
    """Whichever release promised a response, both can run it, poll it and stream its events."""
    async with world.process() as new:
        async with world.process(release=previous) as old:
            promised = [await promise(gateway, f"{number}") for number, gateway in enumerate([old, new] * 6)]
            polled = [
                await finished(gateway, response) for response, gateway in zip(promised, [new, old] * 6, strict=True)
            ]
            streams = [await new.call(f"/responses/{one['id']}?stream=true") for one in promised[:4]]
            left = [await promise(old, f"left {number}", x_simulate_ttft="1") for number in range(6)]
            assert await old.stop() == 0
        polled += [await finished(new, response) for response in left]
    assert [response["status"] for response in polled] == ["completed"] * 18
    for stream, response in zip(streams, polled, strict=False):
        assert stream.events[-1]["response"]["output"] == response["output"]
    entries = await world.ledger_entries(18)
    assert {entry["outcome"] for entry in entries} == {"ok"}


async def promise(gateway: Gateway, text: str, **headers: str) -> Json:
    """Return a background response that was just accepted."""
    body = {**RESPONSES, "input": f"background {text}", "store": True, "background": True}
    answer = await gateway.call("/responses", body, **headers)
    assert answer.status == 200, answer.text
    return answer.json


async def finished(gateway: Gateway, promised: Json) -> Json:
    """Poll until the response is finished."""
    found: list[Json] = []

    async def is_over() -> bool:
        found[:] = [(await gateway.call(f"/responses/{promised['id']}")).json]
        return found[0]["status"] not in ("queued", "in_progress")

    await wait_until_async(is_over)
    return found[0]
