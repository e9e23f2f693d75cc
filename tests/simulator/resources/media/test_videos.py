"""A video is queued, made and completed as time passes, costs its seconds, and what OpenAI refuses is refused."""

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import Refused, ask, expect_refusal, form
from tidegate.core.clock import ManualClock


async def test_a_video_goes_on_with_the_time_and_expires() -> None:
    clock = ManualClock()
    async with upstream(clock, job_seconds=100.0) as up:
        path = f"/videos/{(await ask(up, 'POST', '/videos', {'prompt': 'a'}))[1]['id']}"
        for seconds, status, progress in ((10, "queued", 10), (40, "in_progress", 50), (50, "completed", 100)):
            if status != "completed":
                await expect_refusal(up, ("GET", path + "/content", None, 400, "is not ready yet"))
            clock.advance(seconds)
            _, found = await ask(up, "GET", path)
            assert (found["status"], found["progress"]) == (status, progress)
        async with up.session.get(up.base_url + path + "/content") as answer:
            assert answer.headers["content-type"] == "video/mp4"
        await expect_refusal(up, ("GET", path + "/content?variant=odd", None, 400, "Invalid value: 'odd'"))
        clock.advance(86_401)
        await expect_refusal(up, ("GET", path + "/content", None, 404, "has expired"))


@pytest.mark.parametrize(
    ("more", "nanos"),
    [
        ({}, 400_000_000),
        ({"seconds": "12"}, 1_200_000_000),
        ({"model": "sora-2-pro", "size": "1792x1024"}, 2_000_000_000),
        ({"model": "sora-2-2025-10-06"}, 400_000_000),
    ],
)
async def test_a_video_costs_its_seconds(more: dict[str, str], nanos: int) -> None:
    async with upstream() as up:
        assert (await ask(up, "POST", "/videos", form(prompt="a", **more)))[0] == 200
        assert (await up.stats())["cost_nanos"] == nanos


async def test_what_is_made_of_a_video_costs_as_much_and_names_it() -> None:
    async with upstream() as up:
        _, made = await ask(up, "POST", "/videos", {"prompt": "a", "seconds": "8"})
        _, remix = await ask(up, "POST", f"/videos/{made['id']}/remix", {"prompt": "b"})
        _, edit = await ask(up, "POST", "/videos/edits", {"prompt": "c", "video": {"id": made["id"]}})
        body = {"prompt": "d", "seconds": "4", "video": {"id": made["id"]}}
        _, longer = await ask(up, "POST", "/videos/extensions", body)
        assert [one["seconds"] for one in (remix, edit, longer)] == ["8", "8", "4"]
        assert remix["remixed_from_video_id"] == edit["remixed_from_video_id"] == made["id"]
        assert (await up.stats())["cost_nanos"] == 28 * 100_000_000


@pytest.mark.parametrize(
    "refused",
    [
        ("POST", "/videos", {}, 400, "Missing required parameter: 'prompt'"),
        ("POST", "/videos", {"prompt": "a", "seconds": "5"}, 400, "Invalid value: '5'"),
        ("POST", "/videos", {"prompt": "a", "model": "film-1"}, 400, "Invalid value: 'film-1'"),
        ("POST", "/videos", {"prompt": "a", "size": "1024x1792"}, 400, "Invalid value: '1024x1792'"),
        ("POST", "/videos/edits", {"prompt": "a"}, 400, "Missing required parameter: 'video'"),
        ("POST", "/videos/extensions", {"prompt": "a", "seconds": None}, 400, "parameter: 'seconds'"),
        ("POST", "/videos/video_x/remix", {"prompt": "a"}, 404, "Video with id 'video_x' not found."),
        ("POST", "/videos/characters", form(name="a"), 400, "Missing required parameter: 'video'"),
        ("GET", "/videos/characters/char_x", None, 404, "Character with id 'char_x' not found."),
    ],
)  # fmt: skip
async def test_what_openai_refuses_is_refused(refused: Refused) -> None:
    async with upstream() as up:
        await expect_refusal(up, refused)
