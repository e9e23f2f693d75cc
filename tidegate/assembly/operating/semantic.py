"""The objects of the semantic tier. Its libraries are an extra, so this module is imported only where it is used."""

import asyncio
from random import SystemRandom
from typing import Final

from tidegate.assembly.base import Base
from tidegate.cache.semantic.embedder import EmbedderUnavailable, StaticEmbedder, load_embedder
from tidegate.cache.semantic.prior import shipped_prior
from tidegate.cache.semantic.question import QuestionReader, shipped_reader
from tidegate.cache.semantic.state.accounts import AccountStore
from tidegate.cache.semantic.state.answers import StoredAnswers
from tidegate.cache.semantic.state.change_log import ChangeLog
from tidegate.cache.semantic.state.memories import ScopeMemories
from tidegate.cache.stored import AnswerCodec
from tidegate.core.config import ConfigError
from tidegate.core.periodic import PeriodicTask
from tidegate.pipeline.admit import Admitter
from tidegate.pipeline.pipeline import Pipeline
from tidegate.pipeline.prepare import RequestPreparer
from tidegate.pipeline.semantic.complaints import Complaints
from tidegate.pipeline.semantic.learner import Learner
from tidegate.pipeline.semantic.model_calls import ModelCalls
from tidegate.pipeline.semantic.resolver import Resolver
from tidegate.pipeline.semantic.tier import SemanticTier, TimedEmbedder
from tidegate.pipeline.semantic.verdicts import Verdicts

_EXPIRE_SECONDS: Final = 600.0
_DECISION_SECONDS: Final = 30 * 86_400.0
_FIRMNESS: Final = {"inline": 10.0, "background": 50.0}
"""Of the calibration, by whether a verifier labels most questions."""


async def add_semantic_tier(base: Base, pipeline: Pipeline, preparer: RequestPreparer, admitter: Admitter) -> None:
    """Let the pipeline use the tier. Raises ConfigError where the embedder is not installed."""
    try:
        embedder = await asyncio.to_thread(load_embedder)
    except EmbedderUnavailable as error:
        raise ConfigError(f"`semantic` is configured, and the gateway did not start: {error}") from error
    config, coin, reader = base.settings.semantic, SystemRandom(), shipped_reader()
    accounts = AccountStore(base.redis, base.clock, prefix=base.prefix, judge_seconds=config.judge_seconds)
    answers = StoredAnswers(base.redis, AnswerCodec(), base.clock, prefix=base.prefix)
    calls = ModelCalls(preparer, admitter, pipeline.ask, base.clock, budget_day=config.budget_day_nanos)
    verdicts = Verdicts(calls, answers, coin, config)
    resolver = Resolver(accounts, answers, verdicts, shipped_prior(), coin)
    log = ChangeLog(base.postgres, base.redis, prefix=base.prefix)
    memories = await _memories(base, log, reader, embedder)
    timed = TimedEmbedder(embedder.embed, seconds=config.embed_seconds)
    base.on_close(timed.close)
    learner = Learner(
        log=log,
        memories=memories,
        accounts=accounts,
        answers=answers,
        verdicts=verdicts,
        resolver=resolver,
        embed=timed.vector,
        coin=coin,
    )
    await base.start(learner)
    base.counters.add_gauge("semantic_scopes", "Prompts whose questions are in memory.", lambda: len(memories))
    base.counters.add_gauge("semantic_lessons_dropped", "Lessons for which there was no room.", lambda: learner.dropped)
    pipeline.semantic = SemanticTier(
        config,
        reader=reader,
        embedder=timed,
        accounts=accounts,
        memories=memories,
        resolver=resolver,
        learner=learner,
        complaints=Complaints(config, accounts, log, memories),
    )


async def _memories(base: Base, log: ChangeLog, reader: QuestionReader, embedder: StaticEmbedder) -> ScopeMemories:
    """Return the scopes in memory, and begin to delete what is too old in PostgreSQL."""
    config, ttl_seconds = base.settings.semantic, float(base.settings.cache.ttl_seconds)

    async def expire() -> None:
        await log.expire(changes_seconds=ttl_seconds, decisions_seconds=_DECISION_SECONDS)

    await base.start(PeriodicTask("semantic-expiry", expire, every=_EXPIRE_SECONDS, wait_first=True))
    memories = ScopeMemories(
        log,
        reader,
        embedder.embed,
        dimensions=embedder.dimensions,
        firmness=_FIRMNESS[config.verify],
        max_scopes=config.max_scopes,
        max_phrasings=config.max_phrasings,
    )
    return await base.start(memories)
