"""How large a question is before it is asked, and a long conversation made short."""

import msgspec
from fastapi import Request, Response

from tidegate.conversations import compaction
from tidegate.conversations.documents.items import as_items
from tidegate.conversations.recall import Recollection
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.ids import IdSource
from tidegate.metering.estimate import estimate
from tidegate.pipeline.context import Request as Asking
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.openai.handler_base import Front, Json
from tidegate.wire.call import Call, parse

_NO_MODEL = "gpt-4o"
"""Whose encoding counts where no model is named."""

_decode = msgspec.json.Decoder()


class QuestionDesk:
    """`/v1/responses/input_tokens` and `/v1/responses/compact`."""

    def __init__(
        self, front: Front, recollection: Recollection, pipeline: Pipeline, *, ids: IdSource, clock: Clock
    ) -> None:
        self._front = front
        self._recollection = recollection
        self._pipeline = pipeline
        self._ids = ids
        self._clock = clock

    async def input_tokens(self, request: Request) -> Response:
        """Count a question's tokens, with all that it goes on from, its instructions and tools; asks nobody."""
        caller = await self._front.caller(request)
        body = await self._front.document(request)
        call = await self._expanded({**body, "model": body.get("model") or _NO_MODEL}, caller.project)
        tokens = estimate(call.route, call.model, call.body, ()).input
        return self._front.json({"object": "response.input_tokens", "input_tokens": tokens})

    async def compact(self, request: Request) -> Response:
        """Have a model summarise what was said; the call is accounted, limited and budgeted as any other."""
        caller = await self._front.known(request)
        body = await self._front.document(request)
        call = await self._expanded(body, caller.project)
        said = as_items(call.body.get("input"))
        if not said:
            await self._front.caller(request)  # a request, though there is nothing to ask a model
            return self._front.json(compaction.of_nothing(ids=self._ids, now=self._clock.now()))
        answer = await self._answer(request, compaction.question(body, said))
        return self._front.json(compaction.document(answer, said, ids=self._ids, now=self._clock.now()))

    async def _expanded(self, body: Json, project: str) -> Call:
        kept_nowhere = {**body, "store": False, "stream": False, "background": False, "metadata": None}
        return await self._recollection.expanded(parse(endpoints.RESPONSES, msgspec.json.encode(kept_nowhere)), project)

    async def _answer(self, request: Request, asked: Json) -> Json:
        async def body() -> bytes:
            return msgspec.json.encode(asked)

        passage = await self._pipeline.answer(
            Asking(
                id=self._ids("req_"),
                route=endpoints.RESPONSES,
                authorization=request.headers.get("authorization", ""),
                headers=dict(request.headers),
                body=body,
            )
        )
        try:
            answer: Json = _decode.decode(await passage.whole())
            return answer
        finally:
            await passage.leave()
