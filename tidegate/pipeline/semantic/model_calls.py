"""Calls of the gateway's own: the verifier and the judge.

They go the way of all calls, through queue, fallback and ledger, as a caller of their own: with a budget of their own a
day, in each project, and never within the limits of the caller whose question it was. In the ledger their route is
`semantic.verify`, `semantic.compare` or `semantic.judge`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import structlog

from tidegate.cache.semantic.prompts import Prompt
from tidegate.cache.semantic.state.report import KEY_PREFIX
from tidegate.core.clock import Clock
from tidegate.core.endpoints import CHAT
from tidegate.core.errors import TidegateError
from tidegate.core.ids import new_id
from tidegate.core.values import Caller, Limits, Priority
from tidegate.limits.decision import SendUpstream
from tidegate.pipeline.admit import Admitter
from tidegate.pipeline.context import InferenceRequest, RequestContext
from tidegate.pipeline.delivery import ClientResponse
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.wire.call import parse

_FAILURES: Final = 5
_PAUSE_SECONDS: Final = 30.0
_MAX_PROJECTS: Final = 10_000
_HEADERS: Final = {"cache-control": "no-store"}
_log = structlog.get_logger("semantic")


class Ask(Protocol):
    """Makes an upstream call that was admitted."""

    def __call__(self, context: RequestContext, decision: SendUpstream) -> ClientResponse:
        """Return its answer, which must be closed."""
        ...


class ModelCalls:
    """Ask models for one letter."""

    def __init__(
        self,
        preparer: RequestPreparer,
        admitter: Admitter,
        ask: Ask,
        clock: Clock,
        *,
        budget_day: int,
        ids: Callable[[str], str] = new_id,
    ) -> None:
        """`budget_day` is what the calls of one project may cost a day, in nano-dollars."""
        self._preparer = preparer
        self._admitter = admitter
        self._ask = ask
        self._clock = clock
        self._limits = Limits(budget_day=budget_day)
        self._ids = ids
        self._callers: dict[str, Caller] = {}
        self._failures: dict[str, int] = {}
        self._paused_until: dict[str, float] = {}

    async def reply(self, purpose: str, prompt: Prompt, *, model: str, project: str, seconds: float) -> int | None:
        """Return what a model replied; None where it did not, in time, or its reply was none of those offered.

        After failures in a row, a model is not called for a while.
        """
        if self._clock.monotonic() < self._paused_until.get(model, 0.0):
            return None
        try:
            async with asyncio.timeout(seconds):
                text = await self._call(purpose, prompt, model=model, project=project)
        except (TidegateError, TimeoutError) as error:
            self._note_failure(purpose, model, project, error)
            return None
        self._failures.pop(model, None)
        return prompt.read(text)

    async def _call(self, purpose: str, prompt: Prompt, *, model: str, project: str) -> str:
        body = {"model": model, "messages": prompt.messages, "temperature": 0, "max_completion_tokens": 1}
        call = parse(CHAT, msgspec.json.encode(body))
        request = InferenceRequest(
            id=self._ids("req_"), endpoint=CHAT, authorization="", headers=_HEADERS, body=_no_body
        )
        context = self._preparer.prepare(request, call, self._caller(project))
        entry = msgspec.structs.replace(context.initial_entry, route=f"semantic.{purpose}")
        context = msgspec.structs.replace(context, initial_entry=entry)
        decision = await self._admitter.admit(context)
        if not isinstance(decision, SendUpstream):  # a call whose answer is not stored finds none, and joins none
            return ""
        response = self._ask(context, decision)
        try:
            return _text_of(msgspec.json.decode(await response.body()))
        finally:
            await response.close()

    def _caller(self, project: str) -> Caller:
        caller = self._callers.get(project)
        if caller is None:
            if len(self._callers) >= _MAX_PROJECTS:
                self._callers.pop(next(iter(self._callers)))
            caller = self._callers[project] = Caller(
                key_id=f"{KEY_PREFIX}{project}",
                project=project,
                name="semantic",
                limits=self._limits,
                priority=Priority.LOW,
            )
        return caller

    def _note_failure(self, purpose: str, model: str, project: str, error: Exception) -> None:
        count = self._failures[model] = self._failures.get(model, 0) + 1
        if count >= _FAILURES:
            self._failures.pop(model)
            self._paused_until[model] = self._clock.monotonic() + _PAUSE_SECONDS
            reason = error.name if isinstance(error, TidegateError) else "timeout"
            _log.warning(
                "a model of the semantic tier does not answer",
                purpose=purpose,
                model=model,
                project=project,
                error=reason,
            )


def _text_of(document: Any) -> str:
    """Return the text of a chat answer; empty where it has none."""
    choices = document.get("choices") if isinstance(document, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) else ""


async def _no_body(_: Caller) -> bytes:
    """The body is made here, and not read."""
    return b""
