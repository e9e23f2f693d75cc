"""What an operator does over HTTP: keys, projects, and a look at budgets, queue and usage."""

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from fastapi import Path, Query
from pydantic import AwareDatetime, Field

from tidegate.auth.key_store import KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.background.job_store import JobStore
from tidegate.core.clock import Clock
from tidegate.core.errors import NoSuchKey, NoSuchProject
from tidegate.limits.budget_report import BudgetReport
from tidegate.metering.usage_report import By, Reports, total
from tidegate.queue.report import QueueReport
from tidegate.web.admin.schemas import (
    MOST_LISTED,
    BudgetPage,
    JobPage,
    JobShape,
    KeyAsked,
    KeyChanges,
    KeyPage,
    KeyShown,
    LaneShape,
    Name,
    NewKeyShown,
    ProjectChanges,
    ProjectPage,
    ProjectShown,
    QueueShape,
    Shape,
    UsagePage,
    UsageShown,
)

_MONTH_SECONDS = 30 * 86_400.0
_Record = TypeVar("_Record")

KeyId = Annotated[Name, Path(description="As the list of keys shows it.")]
ProjectId = Annotated[Name, Path(description="The project's name.")]


class Part(Shape):
    """Which part of a list is wanted."""

    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, strict=False)] = 100
    after: Name | None = None


class PartOfProject(Part):
    """Which part, of one project or of all."""

    project: Name | None = None


class QueueAsked(Shape):
    """How much to show."""

    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, strict=False, description="Waiters of each queue.")] = 100


class JobsAsked(Shape):
    """Whose to show."""

    project: Name | None = None


class UsageAsked(PartOfProject):
    """Which calls to sum up."""

    by: Literal["day", "key", "model", "user", "project", "route", "provider"] = "day"
    since: Annotated[AwareDatetime | None, Field(strict=False, description="Default: 30 days before `until`.")] = None
    until: Annotated[AwareDatetime | None, Field(strict=False, description="Default: now.")] = None


class KeyDesk:
    """Makes, shows, changes and revokes keys."""

    def __init__(self, keys: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def create(self, asked: KeyAsked) -> NewKeyShown:
        """Make a key. Its secret, `key`, is shown this once."""
        made = await self._keys.create(
            project=asked.project,
            name=asked.name,
            expires_at=asked.expires_at,
            admin=asked.admin,
            granted=asked.granted(),
        )
        return NewKeyShown.of(made.record, self._clock.now(), key=made.token)

    async def list(self, part: Annotated[PartOfProject, Query()]) -> KeyPage:
        """List the keys, oldest first."""
        found = await self._keys.list(part.project, after=part.after, limit=part.limit + 1)
        shown, last = _cut(found, part.limit)
        now = self._clock.now()
        data = [KeyShown.of(record, now) for record in shown]
        return KeyPage(data=data, has_more=last is not None, last=last.id if last else None)

    async def get(self, key_id: KeyId) -> KeyShown:
        """Show one key."""
        record = await self._keys.get(key_id)
        if record is None:
            raise NoSuchKey(f"There is no key {key_id!r}; `GET /admin/v1/keys` lists them.")
        return KeyShown.of(record, self._clock.now())

    async def update(self, key_id: KeyId, changes: KeyChanges) -> KeyShown:
        """Change a key: only what is named; null takes a limit away. Every replica acts on it within a second."""
        await self._keys.update(key_id, changes.change())
        return await self.get(key_id)

    async def revoke(self, key_id: KeyId) -> KeyShown:
        """End a key for good. Every replica refuses it within a second."""
        await self._keys.revoke(key_id)
        return await self.get(key_id)


class ProjectDesk:
    """Shows and changes projects; they begin with their first key."""

    def __init__(self, projects: ProjectStore) -> None:
        self._projects = projects

    async def list(self, part: Annotated[Part, Query()]) -> ProjectPage:
        """List the projects by name."""
        shown, last = _cut(await self._projects.list(after=part.after, limit=part.limit + 1), part.limit)
        data = [ProjectShown.of(record) for record in shown]
        return ProjectPage(data=data, has_more=last is not None, last=last.name if last else None)

    async def get(self, name: ProjectId) -> ProjectShown:
        """Show one project."""
        record = await self._projects.get(name)
        if record is None:
            raise NoSuchProject(f"There is no project {name!r}; `GET /admin/v1/projects` lists them.")
        return ProjectShown.of(record)

    async def update(self, name: ProjectId, changes: ProjectChanges) -> ProjectShown:
        """Change a project: only what is named; null takes a limit away. Every replica acts on it within a second."""
        await self._projects.update(name, changes.change())
        return await self.get(name)


class Overlook:
    """Shows what is spent and used, and who waits."""

    def __init__(
        self, *, budgets: BudgetReport, queue: QueueReport, jobs: JobStore, reports: Reports, clock: Clock
    ) -> None:
        self._budgets = budgets
        self._queue = queue
        self._jobs = jobs
        self._reports = reports
        self._clock = clock

    async def budgets(self, part: Annotated[PartOfProject, Query()]) -> BudgetPage:
        """Show who has a budget, what is spent and held of it, and when it is renewed."""
        found = await self._budgets.read(self._clock.now(), project=part.project, after=part.after, limit=part.limit)
        return BudgetPage.of(found)

    async def queue(self, asked: Annotated[QueueAsked, Query()]) -> QueueShape:
        """Show who waits for the upstream, how long, and on what."""
        lanes = await self._queue.read(self._clock.now(), most=asked.limit)
        return QueueShape(data=[LaneShape.of(lane) for lane in lanes])

    async def jobs(self, asked: Annotated[JobsAsked, Query()]) -> JobPage:
        """Show the background responses that wait or are being made, the oldest first."""
        return JobPage(data=[JobShape.of(job) for job in await self._jobs.open_jobs(asked.project)])

    async def usage(self, asked: Annotated[UsageAsked, Query()]) -> UsagePage:
        """Sum up the ledger by day, key, model, user, project, route or provider."""
        until = _seconds(asked.until, self._clock.now())
        since = _seconds(asked.since, until - _MONTH_SECONDS)
        rows = await self._reports.usage(By(asked.by), since=since, until=until, project=asked.project)
        names = [row.what for row in rows]
        begin = names.index(asked.after) + 1 if asked.after in names else 0
        shown, last = _cut(rows[begin : begin + asked.limit + 1], asked.limit)
        data = [UsageShown.of(row) for row in shown]
        return UsagePage(
            data=data, total=UsageShown.of(total(rows)), has_more=last is not None, last=last.what if last else None
        )


def _seconds(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp()


def _cut(found: list[_Record], limit: int) -> tuple[list[_Record], _Record | None]:
    """The page, and its last entry where something follows it."""
    return found[:limit], found[limit - 1] if len(found) > limit else None
