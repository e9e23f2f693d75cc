"""The command line is a client too: `curl`, as the README shows it."""

import asyncio
import json
import shutil

import pytest

from tests.harness import CHAT, STREAM, Gateway, chat_text, data_of

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def curl(gateway: Gateway, path: str, *arguments: str) -> str:
    """What it prints."""
    command = ["curl", "-sS", "-N", "--max-time", "10", "-H", f"Authorization: Bearer {gateway.key}", *arguments]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, gateway.base_url + path, stdout=pipe, stderr=pipe)
    said, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    return said.decode()


async def test_a_chat_whole_and_streamed(gateway: Gateway) -> None:
    content_type = ("-H", "Content-Type: application/json", "-d")
    whole = json.loads(await curl(gateway, "/chat/completions", *content_type, json.dumps(CHAT)))
    streamed = await curl(gateway, "/chat/completions", *content_type, json.dumps(STREAM))
    assert streamed.endswith("data: [DONE]\n\n")
    assert chat_text(data_of(streamed)) == whole["choices"][0]["message"]["content"]


async def test_it_need_not_say_what_it_sends(gateway: Gateway) -> None:
    assert json.loads(await curl(gateway, "/chat/completions", "-d", json.dumps(CHAT)))["choices"]


async def test_it_sees_the_headers(gateway: Gateway) -> None:
    for expected in ("miss", "hit"):
        shown = await curl(gateway, "/chat/completions", "-i", "-d", json.dumps(CHAT))
        head, _, _ = shown.partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK")
        assert f"x-tidegate-cache: {expected}" in head


async def test_a_large_body_that_asks_for_leave_first(gateway: Gateway, tmp_path: object) -> None:
    """It sends `Expect: 100-continue` with a body over a megabyte."""
    body = {**CHAT, "messages": [{"role": "user", "content": "tide " * 300_000}]}
    file = f"{tmp_path}/body.json"
    await asyncio.to_thread(_write, file, json.dumps(body))
    answer = json.loads(await curl(gateway, "/chat/completions", "-H", "Expect: 100-continue", "-d", f"@{file}"))
    assert answer["usage"]["prompt_tokens"] >= 300_000


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123  # one line
        file.write(text)


async def test_head_and_options_are_answered(gateway: Gateway) -> None:
    shown = await curl(gateway, "/chat/completions", "-i", "-X", "OPTIONS")
    assert shown.startswith("HTTP/1.1 405")
