"""The semantic tier, as the pipeline calls it: whether a question takes part, and whether it gets an earlier answer."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from tidegate.cache.erasure import end_user_digest
from tidegate.cache.semantic.account import Rules
from tidegate.cache.semantic.eligibility import EligibilityRules, ScopedQuestion, Skipped, read_call
from tidegate.cache.semantic.profile import Vector
from tidegate.cache.semantic.question import QuestionReader
from tidegate.cache.semantic.state.accounts import AccountKey, AccountStore
from tidegate.cache.semantic.state.memories import ScopeMemories
from tidegate.core.config import SemanticConfig
from tidegate.core.errors import RedisUnavailable
from tidegate.core.values import Outcome
from tidegate.pipeline.context import RequestContext
from tidegate.pipeline.semantic.complaints import Complaints
from tidegate.pipeline.semantic.learner import Learner
from tidegate.pipeline.semantic.resolver import Resolved, Resolver
from tidegate.pipeline.semantic.step import NOTHING_FOUND, SemanticFinding, SemanticHeaders
from tidegate.pipeline.semantic.visit import ChosenAnswer, Visit

_EMBEDDER_PAUSE: Final = 30.0
_log = structlog.get_logger("semantic")


class TimedEmbedder:
    """Makes vectors in a thread, within a time limit; after a failure it is left alone for a while."""

    def __init__(
        self, embed: Callable[[str], Vector], *, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`embed` may take `seconds`."""
        self._embed = embed
        self._seconds = seconds
        self._monotonic = monotonic
        self._paused_until = -1.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="semantic-embedder")

    async def vector(self, text: str) -> Vector | None:
        """Return the vector of a text; None if that takes too long, or fails."""
        if self._monotonic() < self._paused_until:
            return None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                return await loop.run_in_executor(self._thread, self._embed, text)
        except (TimeoutError, ValueError, RuntimeError, OSError) as error:
            self._paused_until = self._monotonic() + _EMBEDDER_PAUSE
            _log.warning("the embedder is slow or broken", error=type(error).__name__, pause_seconds=_EMBEDDER_PAUSE)
            return None

    async def close(self) -> None:
        """Stop."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class SemanticTier:
    """Implements `SemanticStep`."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        config: SemanticConfig,
        *,
        reader: QuestionReader,
        embedder: TimedEmbedder,
        accounts: AccountStore,
        memories: ScopeMemories,
        resolver: Resolver,
        learner: Learner,
        complaints: Complaints,
    ) -> None:
        self._config = config
        self._complaints = complaints
        self._reader = reader
        self._embedder = embedder
        self._accounts = accounts
        self._memories = memories
        self._resolver = resolver
        self._learner = learner
        self._eligibility = EligibilityRules(
            max_characters=config.max_characters,
            max_temperature=config.max_temperature,
            same_turns=config.turns == "same",
            time_words=frozenset(word.casefold() for word in config.time_words),
        )

    def count(self, context: RequestContext) -> None:
        """Count a request that the exact cache, or a call in progress, answers."""
        project = context.caller.project
        mode = self._config.mode_of(project, context.call.model)
        if mode != "off":
            self._accounts.count_later(mode, project)

    async def report_wrong(self, project: str, answer: str, request_id: str | None) -> str | None:
        """Note that an answer was wrong; return the call that got it, None if there is none. Raises a StoreError."""
        return await self._complaints.take(project, answer, request_id)

    async def consider(self, context: RequestContext) -> SemanticFinding:
        """Return the answer of an earlier question, if it may be given; it is written down before. Never raises."""
        mode = self._config.mode_of(context.caller.project, context.call.model)
        if mode == "off":
            return NOTHING_FOUND
        asked = self._read(context)
        if isinstance(asked, Skipped):
            self.count(context)
            return _skip(asked.reason)
        try:
            visit = await self._visit(context, asked, mode)
            if mode == "shadow":
                return SemanticFinding(headers=_headers("shadow"), observer=_ShadowObserver(self._learner, visit))
            return await self._consider(context, visit)
        except RedisUnavailable:
            return _skip("redis")

    async def _consider(self, context: RequestContext, visit: Visit) -> SemanticFinding:
        loaded = self._memories.find(visit.key.scope)
        if loaded is None:
            return self._ask(visit, None, "skip:loading")
        vector = await self._embedder.vector(visit.scoped.question.key)
        if vector is None:
            return self._ask(visit, None, "skip:embedder")
        resolved = await self._resolver.resolve(visit, vector, loaded, max_age=context.cache_policy.max_age)
        if resolved.chosen is None or resolved.found is None:
            return self._ask(visit, resolved, "closed" if resolved.closed else "ask")
        self._learner.learn_given(visit, resolved.chosen)
        return SemanticFinding(headers=_headers_of(resolved.chosen), answer=resolved.found)

    def _ask(self, visit: Visit, resolved: Resolved | None, how: str) -> SemanticFinding:
        return SemanticFinding(headers=_headers(how), observer=_AnswerObserver(self._learner, visit, resolved))

    def _read(self, context: RequestContext) -> ScopedQuestion | Skipped:
        return read_call(
            context.call,
            context.cache_policy,
            self._eligibility,
            self._reader,
            project=context.caller.project,
            headers=_shaping(context.upstream_headers),
        )

    async def _visit(self, context: RequestContext, asked: ScopedQuestion, mode: str) -> Visit:
        config, project, end_user = self._config, context.caller.project, context.call.end_user
        key = AccountKey(mode=mode, project=project, scope=asked.scope)
        rules = Rules(delta=config.delta_of(project), verifies=config.verify == "inline")
        state = await self._accounts.enter(key, rules)
        return Visit(
            request_id=context.id,
            at=context.initial_entry.at,
            endpoint=context.call.endpoint,
            fingerprint=context.fingerprint,
            scoped=asked,
            key=key,
            rules=rules,
            state=state,
            is_scope_open=state.is_scope_open(config.max_wrong_ratio),
            end_user=end_user_digest(project, end_user) if end_user else None,
        )


class _AnswerObserver:
    """Learns from the answer to a question that was asked in full. Implements `FetchedObserver`."""

    def __init__(self, learner: Learner, visit: Visit, resolved: Resolved | None) -> None:
        self._learner = learner
        self._visit = visit
        self._resolved = resolved

    def fetched(self, outcome: Outcome) -> None:
        """Note how the call ended."""
        if outcome.storable:
            self._learner.learn_fetched(self._visit, self._resolved)
        else:
            self._learner.learn_failed(self._visit)


class _ShadowObserver:
    """Decides about a question once its answer was fetched. Implements `FetchedObserver`."""

    def __init__(self, learner: Learner, visit: Visit) -> None:
        self._learner = learner
        self._visit = visit

    def fetched(self, outcome: Outcome) -> None:
        """Note how the call ended."""
        if outcome.storable:
            self._learner.learn_in_shadow(self._visit)
        else:
            self._learner.learn_failed(self._visit)


def _shaping(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the forwarded headers that may shape an answer: not those that name one request."""
    named = ("idempotency-key", "x-client-request-id", "traceparent", "tracestate")
    return {name: value for name, value in headers.items() if name not in named}


def _headers(how: str) -> SemanticHeaders:
    return ((b"x-tidegate-semantic", how.encode()),)


def _skip(reason: str) -> SemanticFinding:
    return SemanticFinding(headers=_headers(f"skip:{reason}"))


def _headers_of(given: ChosenAnswer) -> SemanticHeaders:
    return (
        *_headers(given.how.value),
        (b"x-tidegate-semantic-score", b"%.3f" % given.score),
        (b"x-tidegate-answer-id", given.answer.encode()),
    )
