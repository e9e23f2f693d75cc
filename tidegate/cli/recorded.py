"""Records commands that do not open the stores by `run_with_context`: `tidegate migrate`, `tidegate secrets rotate`."""

import asyncio
import contextlib
from collections.abc import Iterator

from tidegate.audit.log import AuditLog
from tidegate.audit.store import AuditStore
from tidegate.cli.acts import command_actor, current_act
from tidegate.cli.stores import audit_address
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres

_SECONDS = 5.0


def record_done(database_url: str) -> None:
    """Record the command that runs as done. Do not call it within an event loop."""
    with _recorded_at(database_url):
        pass


@contextlib.contextmanager
def recorded(settings: Settings) -> Iterator[None]:
    """Record the command that runs around its doing. Do not use it within an event loop.

    Raises ConfigError if the schema is old. Without a configured PostgreSQL there is no table for the line, and nothing
    is recorded: the embedded one need not run for a secret of a cloud.
    """
    if settings.database_url is None:
        yield
        return
    with _recorded_at(audit_address(settings, StoreUrls(database_url="", redis_url=""))):
        yield


@contextlib.contextmanager
def _recorded_at(database_url: str) -> Iterator[None]:
    act = current_act()
    if act is None:
        yield
        return
    with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
        postgres = Postgres(database_url, size=1, timeout=_SECONDS)
        stack.callback(lambda: runner.run(postgres.close()))
        recording = AuditLog(AuditStore(postgres), SystemClock()).record(command_actor(), act)
        runner.run(_enter(recording))
        stack.push(lambda *raised: runner.run(_leave(recording, *raised)))
        yield


async def _enter(recording: contextlib.AbstractAsyncContextManager[object]) -> None:
    await recording.__aenter__()


async def _leave(recording: contextlib.AbstractAsyncContextManager[object], *raised: object) -> bool:
    return bool(await recording.__aexit__(*raised))  # type: ignore[arg-type]  # as the exit stack gives them
