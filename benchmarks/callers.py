"""Callers that use the gateway and note what they got, for the soak and the crash test."""

import json
from typing import Any

import aiohttp
import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one call came to. `complete`: the body arrived whole, or the stream with its `[DONE]`."""

    status: int
    request_id: str
    complete: bool
    error: str = ""
    """The error's identifier, if it is the gateway's."""
    cache: str = ""
    """What the gateway's cache did."""


class Callers:
    """Calls on one gateway with one key, over one session."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        """`url` is the chat route's."""
        self._session = session
        self._url = url
        self._headers = {"authorization": f"Bearer {key}"}

    async def whole(self, question: str) -> Answer:
        """Ask for an answer in one piece. Raises aiohttp.ClientError when the connection breaks."""
        async with self._post(question) as answer:
            await answer.read()
            return _answer(answer, complete=True)

    async def stream(self, question: str) -> Answer:
        """Ask for a stream and read it to its end. Raises aiohttp.ClientError when the connection breaks."""
        async with self._post(question, stream=True) as answer:
            body = await answer.read()
            whole = body.endswith(b"data: [DONE]\n\n")
            return _answer(answer, complete=whole)

    async def hang_up(self, question: str) -> Answer:
        """Ask the simulator for a slow stream and leave after its first bytes."""
        async with self._post(question, stream=True, headers={"x-simulate-tps": "20"}) as answer:
            await answer.content.readany()
            answer.close()
            return Answer(status=answer.status, request_id=_id(answer), complete=False)

    async def fail(self, question: str, fault: str) -> Answer:
        """Ask the simulator to misbehave."""
        async with self._post(question, headers={"x-simulate-fault": fault}) as answer:
            await answer.read()
            return Answer(status=answer.status, request_id=_id(answer), complete=True)

    def _post(self, question: str, *, stream: bool = False, headers: dict[str, str] | None = None) -> Any:
        body: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
        if stream:
            body["stream"] = True
        given = {**self._headers, "content-type": "application/json", **(headers or {})}
        return self._session.post(self._url, data=json.dumps(body), headers=given)


def _answer(answer: aiohttp.ClientResponse, *, complete: bool) -> Answer:
    return Answer(
        status=answer.status,
        request_id=_id(answer),
        complete=complete,
        error=_error(answer),
        cache=answer.headers.get("x-tidegate-cache", ""),
    )


def _error(answer: aiohttp.ClientResponse) -> str:
    return answer.headers.get("x-tidegate-error", "")


def _id(answer: aiohttp.ClientResponse) -> str:
    return answer.headers.get("x-request-id", "")
