"""Writes an audit line around each act: that it begins, before it is done, and how it ended."""

import contextlib
from collections.abc import AsyncIterator

import structlog

from tidegate.audit.act import AuditAct, AuditActor, AuditOutcome
from tidegate.audit.store import AuditStore
from tidegate.core.clock import Clock
from tidegate.core.errors import CallerError, StoreError, TidegateError

_log = structlog.get_logger("audit")


class OpenAct:
    """An act in progress. Its doer names what it made in `result`, or why nothing was done in `refused`."""

    def __init__(self) -> None:
        self.result: str | None = None
        self.refused: str | None = None


class AuditLog:
    """Records acts. Used by the seam of the command line and by that of the admin API."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def __repr__(self) -> str:
        return "<AuditLog>"

    @contextlib.asynccontextmanager
    async def record(self, actor: AuditActor, act: AuditAct) -> AsyncIterator[OpenAct]:
        """Record an act around its doing; its error passes through.

        Without PostgreSQL, conversations are not read: it raises StoreError. Other acts that do without PostgreSQL may
        be what ends an outage. They are done, and their line goes to the gateway's log.
        """
        line = await self._begin(actor, act)
        doing = OpenAct()
        try:
            yield doing
        except BaseException as error:  # also what ends the process: it is recorded and raised again
            refused = isinstance(error, CallerError)
            name = error.name if isinstance(error, TidegateError) else type(error).__name__
            await self._end(line, actor, act, AuditOutcome.REFUSED if refused else AuditOutcome.FAILED, error=name)
            raise
        outcome = AuditOutcome.REFUSED if doing.refused else AuditOutcome.DONE
        await self._end(line, actor, act, outcome, error=doing.refused, result=doing.result)

    async def _begin(self, actor: AuditActor, act: AuditAct) -> int | None:
        try:
            return await self._store.begin(actor, act, self._clock.now())
        except StoreError as error:
            if act.reads_conversations:
                raise
            _log.error(
                "PostgreSQL did not take the audit line of an act, so it is written here alone; the act is done",
                **_fields(actor, act), reason=error.message,
            )  # fmt: skip
            return None

    async def _end(
        self,
        line: int | None,
        actor: AuditActor,
        act: AuditAct,
        outcome: AuditOutcome,
        *,
        error: str | None = None,
        result: str | None = None,
    ) -> None:
        if line is None:
            _log.error("an act ended whose audit line is here alone", **_fields(actor, act), outcome=outcome.value)
            return
        try:
            await self._store.end(line, outcome, error=error, result=result, at=self._clock.now())
        except StoreError as failure:
            _log.error(
                "PostgreSQL did not take the end of an act, so its audit line says `unknown`",
                **_fields(actor, act), line=line, outcome=outcome.value, reason=failure.message,
            )  # fmt: skip


def _fields(actor: AuditActor, act: AuditAct) -> dict[str, object]:
    return {
        "actor": f"{actor.kind}:{actor.id}", "actor_name": actor.name, "address": actor.address,
        "action": act.action, "parameters": dict(act.parameters),
    }  # fmt: skip
