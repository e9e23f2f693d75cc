"""A file's bytes are sent whole or in the range that was requested, and faults break them off."""

import aiohttp
import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import new_file
from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.contents import requested_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-3", (0, 4)),
        ("bytes=4-", (4, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=8-30", (8, 10)),
        ("bytes=1-2,4-5", None),
        ("bytes=-", None),
        ("lines=1-2", None),
    ],
)
def test_a_range_is_understood(header: str | None, expected: tuple[int, int] | None) -> None:
    found = requested_range(header, 10)
    assert (found and (found.start, found.end)) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=5-3", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(Refusal) as refused:
        requested_range(header, 10)
    assert (refused.value.status, refused.value.headers) == (416, {"content-range": "bytes */10"})


async def test_a_download_is_whole_or_a_range() -> None:
    content = bytes(range(256)) * 4000
    async with upstream() as up:
        url = f"{up.base_url}/files/{await new_file(up, content)}/content"
        async with up.session.get(url) as answer:
            assert (answer.status, await answer.read()) == (200, content)
        async with up.session.get(url, headers={"range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, content[10:20])
            assert answer.headers["content-range"] == "bytes 10-19/1024000"


@pytest.mark.parametrize(("fault", "status"), [("server_error", 500), ("error_in_stream", 500), ("rate_limited", 429)])
async def test_a_fault_refuses_a_download(fault: str, status: int) -> None:
    async with upstream() as up:
        url = f"{up.base_url}/files/{await new_file(up)}/content"
        async with up.session.get(url, headers={"x-simulate-fault": fault}) as answer:
            assert answer.status == status


async def test_a_fault_breaks_a_download_off() -> None:
    async with upstream() as up:
        url = f"{up.base_url}/files/{await new_file(up, b'x' * 1000)}/content"
        with pytest.raises(aiohttp.ClientError):
            async with up.session.get(url, headers={"x-simulate-fault": "truncated"}) as answer:
                await answer.read()
        async with up.session.get(url, headers={"x-simulate-fault": "truncated_clean"}) as answer:
            assert len(await answer.read()) == 500
