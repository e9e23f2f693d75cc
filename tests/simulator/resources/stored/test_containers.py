"""A container has files, costs a session, and expires when it is not used."""

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import Refused, ask, expect_refusal, form
from tidegate.core.clock import ManualClock


@pytest.mark.parametrize(
    "refused",
    [
        ("POST", "/containers", {}, 400, "Missing required parameter: 'name'"),
        ("POST", "/containers", {"name": "a", "memory_limit": "2g"}, 400, "Invalid value: '2g'"),
        ("POST", "/containers", {"name": "a", "file_ids": ["file-x"]}, 404, "No such File object: file-x"),
        ("GET", "/containers/cntr_x", None, 404, "Container with id 'cntr_x' not found."),
        ("GET", "/containers/cntr_x/files", None, 404, "Container with id 'cntr_x' not found."),
    ],
)
async def test_what_openai_refuses_is_refused(refused: Refused) -> None:
    async with upstream() as up:
        await expect_refusal(up, refused)


@pytest.mark.parametrize(("more", "nanos"), [({}, 30_000_000), ({"memory_limit": "16g"}, 480_000_000)])
async def test_a_container_costs_its_memory(more: dict[str, str], nanos: int) -> None:
    async with upstream() as up:
        await ask(up, "POST", "/containers", {"name": "a", **more})
        assert (await up.stats())["cost_nanos"] == nanos


async def test_a_container_expires_unless_it_is_used() -> None:
    clock = ManualClock()
    async with upstream(clock) as up:
        _, made = await ask(up, "POST", "/containers", {"name": "a"})
        path = f"/containers/{made['id']}"
        for _ in range(2):
            clock.advance(1199)
            assert (await ask(up, "POST", path + "/files", form(file=("a", b"1"))))[0] == 200
        clock.advance(1202)
        assert (await ask(up, "GET", path))[1]["status"] == "expired"
        await expect_refusal(up, ("POST", path + "/files", form(file=("a", b"1")), 400, "Container is expired."))


async def test_a_file_must_be_named() -> None:
    async with upstream() as up:
        _, made = await ask(up, "POST", "/containers", {"name": "a"})
        message = "Either 'file' or 'file_id' must be provided."
        await expect_refusal(up, ("POST", f"/containers/{made['id']}/files", {}, 400, message))
