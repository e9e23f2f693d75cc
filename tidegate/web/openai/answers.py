"""`/v1/tidegate/answers`: callers report that a semantic answer was wrong. Registered by routes.py."""

import re
from typing import Any

from fastapi import Request, Response

from tidegate.core.errors import ObjectNotFound, WrongType
from tidegate.pipeline.pipeline import Pipeline
from tidegate.web.openai.handler_base import HandlerBase

_ANSWER_ID = re.compile(r"[0-9a-f]{40}")
_MAX_REQUEST_ID = 256


class AnswerHandlers:
    """Takes reports of wrong answers."""

    def __init__(self, base: HandlerBase, pipeline: Pipeline) -> None:
        self._base = base
        self._pipeline = pipeline

    async def wrong(self, request: Request, answer_id: str) -> Response:
        """Note that a semantic answer of this project was wrong: no question in those words gets it again."""
        caller = await self._base.admit(request)
        with self._base.memory_hold(caller) as hold:
            named = _request_id((await self._base.read_json(request, hold)).get("request_id"))
        semantic = self._pipeline.semantic
        reported = None
        if semantic is not None and _ANSWER_ID.fullmatch(answer_id):
            reported = await semantic.report_wrong(caller.project, answer_id, named)
        if reported is None:
            raise ObjectNotFound(
                "Nothing was noted: this project has no semantic answer with that id that was not reported yet. "
                "Report an answer some seconds after you received it, when the judge has seen it."
            )
        document = {"object": "tidegate.answer.report", "id": answer_id, "request_id": reported, "wrong": True}
        return self._base.json_response(document)


def _request_id(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_REQUEST_ID:
        raise WrongType.of("request_id", "a string", value)
    return value
