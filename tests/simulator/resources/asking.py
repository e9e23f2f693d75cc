"""Requests for operations, and what is expected of their refusals."""

from typing import Any

import aiohttp
import msgspec

from tests.simulator.client import SimulatorClient
from tidegate.simulator.resources.calls import LineAnswer, ResourceCall
from tidegate.simulator.resources.organization import Organization

Json = dict[str, Any]
Refused = tuple[str, str, Any, int, str]
"""Method, path below /v1, the body (JSON or a form's fields), and the status and a part of the message expected."""
NOW = 1_790_000_000.0


async def ask(up: SimulatorClient, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Json]:
    """Return the status and the JSON of an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, aiohttp.FormData) else None
    json = None if data is not None else body
    async with up.session.request(method, up.base_url + path, json=json, data=data, headers=named) as answer:
        return answer.status, msgspec.json.decode(await answer.read())


async def expect_refusal(up: SimulatorClient, refused: Refused) -> None:
    """Fail unless the request is refused as the row says, in OpenAI's envelope."""
    method, path, body, status, message = refused
    found, answer = await ask(up, method, path, body)
    assert (found, set(answer["error"])) == (status, {"message", "type", "param", "code"}), answer
    assert message in answer["error"]["message"]


def form(**fields: Any) -> aiohttp.FormData:
    """Return a multipart form; a tuple is a file with its name."""
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        if isinstance(value, tuple):
            filename, content = value
            data.add_field(name, content, filename=filename)
        else:
            data.add_field(name, value)
    return data


async def new_file(
    up: SimulatorClient, content: bytes = b"The tide.", *, name: str = "t.txt", purpose: str = "user_data"
) -> str:
    """Return the id of a new file."""
    status, answer = await ask(up, "POST", "/files", form(purpose=purpose, file=(name, content)))
    assert status == 200, answer
    return str(answer["id"])


def resource_call(raw: bytes = b"", content_type: str = "application/json", **more: Any) -> ResourceCall:
    """Return a call for a handler."""
    usual = {
        "organization": Organization(),
        "parameters": {},
        "query": {},
        "headers": {"content-type": content_type},
        "raw": raw,
        "digits": "0" * 32,
        "now": NOW,
        "answer_line": lambda *_: LineAnswer(status=200, body={}),
    }
    return ResourceCall(**{**usual, **more})
