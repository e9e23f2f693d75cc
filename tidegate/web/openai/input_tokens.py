"""Handlers that count a request's input tokens and compact a conversation. Registered by openai/routes.py."""

import msgspec
from fastapi import Request, Response

from tidegate.conversations import compaction
from tidegate.conversations.documents.items import input_items
from tidegate.conversations.recall import HistoryLoader
from tidegate.core import endpoints
from tidegate.core.clock import Clock
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.ids import IdSource
from tidegate.core.values import Caller
from tidegate.metering.estimate import estimate
from tidegate.pipeline.call_record import CallReporter
from tidegate.pipeline.context import InferenceRequest
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.openai.handler_base import HandlerBase, Json
from tidegate.wire.call import Call, parse

_DEFAULT_ENCODING_MODEL = "gpt-4o"
"""The model whose encoding is used if the request names none."""

_decode = msgspec.json.Decoder()


class InputTokenHandlers:
    """`/v1/responses/input_tokens` and `/v1/responses/compact`."""

    def __init__(
        self,
        base: HandlerBase,
        history: HistoryLoader,
        pipeline: Pipeline,
        *,
        ids: IdSource,
        clock: Clock,
        reporter: CallReporter | None,
    ) -> None:
        """`reporter` reports each compaction that has ended; None where calls are not observed."""
        self._reporter = reporter
        self._base = base
        self._history = history
        self._pipeline = pipeline
        self._ids = ids
        self._clock = clock

    async def input_tokens(self, request: Request) -> Response:
        """Count the input tokens, including history, instructions and tools. Sends no upstream request."""
        caller = await self._base.admit(request)
        with self._base.memory_hold(caller) as hold:
            body = await self._base.read_json(request, hold)
            body = {**body, "model": body.get("model") or _DEFAULT_ENCODING_MODEL}
            call = await self._with_history(body, caller.project)
            tokens = estimate(call.endpoint, call.model, call.body, ()).input
        return self._base.json_response({"object": "response.input_tokens", "input_tokens": tokens})

    async def compact(self, request: Request) -> Response:
        """Summarize a conversation with a model. Limits, budgets and accounting apply as to any request."""
        caller = await self._base.identify(request)
        with self._base.memory_hold(caller) as hold:
            body = await self._base.read_json(request, hold)
            return await self._compact(request, body, caller)

    async def _compact(self, request: Request, body: Json, caller: Caller) -> Response:
        call = await self._with_history(body, caller.project)
        items = input_items(call.body.get("input"))
        if not items:
            await self._base.admit(request)  # counts as a request although no model is called
            return self._base.json_response(compaction.empty_compaction(ids=self._ids, now=self._clock.now()))
        answer = await self._ask_model(request, compaction.summary_request(body, items))
        return self._base.json_response(
            compaction.compaction_document(answer, items, ids=self._ids, now=self._clock.now())
        )

    async def _with_history(self, body: Json, project: str) -> Call:
        unstored = {**body, "store": False, "stream": False, "background": False, "metadata": None}
        return await self._history.with_history(parse(endpoints.RESPONSES, msgspec.json.encode(unstored)), project)

    async def _ask_model(self, request: Request, compaction_request: Json) -> Json:
        async def body(_: Caller) -> bytes:
            return msgspec.json.encode(compaction_request)

        request_id = self._ids("req_")
        record = None if self._reporter is None else self._reporter.begin(request_id, endpoints.RESPONSES)
        inference_request = InferenceRequest(
            id=request_id,
            endpoint=endpoints.RESPONSES,
            authorization=request.headers.get("authorization", ""),
            headers=dict(request.headers),
            body=body,
            record=record,
        )
        try:
            answer = await self._whole_answer(inference_request)
        except BaseException as error:  # it failed, or the client has left: in each case the call has ended
            if record is not None:
                record.end(error if isinstance(error, TidegateError) else ClientDisconnected())
            raise
        if record is not None:
            record.end()
        return answer

    async def _whole_answer(self, request: InferenceRequest) -> Json:
        stream = await self._pipeline.answer(request)
        try:
            answer: Json = _decode.decode(await stream.body())
            return answer
        finally:
            await stream.close()
