"""What an operator does over HTTP: keys, projects, and a look at budgets, queue and usage."""

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from fastapi import Path, Query
from pydantic import AwareDatetime, Field

from tidegate.auth.key_store import KeyStore
from tidegate.auth.project_store import ProjectStore
from tidegate.background.job_store import JobStore
from tidegate.core.clock import Clock
from tidegate.core.errors import ApiKeyNotFound, ProjectNotFound
from tidegate.limits.budget_report import BudgetReport
from tidegate.metering.usage_report import GroupBy, UsageReports, total
from tidegate.queue.report import QueueReport
from tidegate.web.admin.schemas import (
    MAX_LISTED,
    BudgetPage,
    JobPage,
    JobView,
    KeyPage,
    KeyUpdateRequest,
    KeyView,
    LaneView,
    Name,
    NewKeyRequest,
    NewKeyView,
    ProjectPage,
    ProjectUpdateRequest,
    ProjectView,
    QueueView,
    Schema,
    UsagePage,
    UsageView,
)

_MONTH_SECONDS = 30 * 86_400.0
_Record = TypeVar("_Record")

KeyId = Annotated[Name, Path(description="As the list of keys shows it.")]
ProjectId = Annotated[Name, Path(description="The project's name.")]


class ListQuery(Schema):
    """Which part of a list is wanted."""

    limit: Annotated[int, Field(ge=1, le=MAX_LISTED, strict=False)] = 100
    after: Name | None = None


class ProjectListQuery(ListQuery):
    """Which part, of one project or of all."""

    project: Name | None = None


class QueueQuery(Schema):
    """How much to show."""

    limit: Annotated[int, Field(ge=1, le=MAX_LISTED, strict=False, description="Waiters of each queue.")] = 100


class JobsQuery(Schema):
    """Whose to show."""

    project: Name | None = None


class UsageQuery(ProjectListQuery):
    """Which calls to sum up."""

    by: Literal["day", "key", "model", "user", "project", "route", "provider"] = "day"
    since: Annotated[AwareDatetime | None, Field(strict=False, description="Default: 30 days before `until`.")] = None
    until: Annotated[AwareDatetime | None, Field(strict=False, description="Default: now.")] = None


class KeyHandlers:
    """Makes, shows, changes and revokes keys."""

    def __init__(self, keys: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def create(self, request: NewKeyRequest) -> NewKeyView:
        """Make a key. Its secret, `key`, is shown this once."""
        made = await self._keys.create(
            project=request.project,
            name=request.name,
            expires_at=request.expires_at,
            admin=request.admin,
            grants=request.to_grants(),
        )
        return NewKeyView.of(made.record, self._clock.now(), key=made.token)

    async def list(self, query: Annotated[ProjectListQuery, Query()]) -> KeyPage:
        """List the keys, oldest first."""
        found = await self._keys.list(query.project, after=query.after, limit=query.limit + 1)
        shown, last = _split_page(found, query.limit)
        now = self._clock.now()
        data = [KeyView.of(record, now) for record in shown]
        return KeyPage(data=data, has_more=last is not None, last=last.id if last else None)

    async def get(self, key_id: KeyId) -> KeyView:
        """Show one key."""
        record = await self._keys.get(key_id)
        if record is None:
            raise ApiKeyNotFound(f"There is no key {key_id!r}; `GET /admin/v1/keys` lists them.")
        return KeyView.of(record, self._clock.now())

    async def update(self, key_id: KeyId, changes: KeyUpdateRequest) -> KeyView:
        """Change a key: only what is named; null takes a limit away. Every replica acts on it within a second."""
        await self._keys.update(key_id, changes.to_change())
        return await self.get(key_id)

    async def revoke(self, key_id: KeyId) -> KeyView:
        """End a key for good. Every replica refuses it within a second."""
        await self._keys.revoke(key_id)
        return await self.get(key_id)


class ProjectHandlers:
    """Shows and changes projects; they begin with their first key."""

    def __init__(self, projects: ProjectStore) -> None:
        self._projects = projects

    async def list(self, query: Annotated[ListQuery, Query()]) -> ProjectPage:
        """List the projects by name."""
        shown, last = _split_page(await self._projects.list(after=query.after, limit=query.limit + 1), query.limit)
        data = [ProjectView.of(record) for record in shown]
        return ProjectPage(data=data, has_more=last is not None, last=last.name if last else None)

    async def get(self, name: ProjectId) -> ProjectView:
        """Show one project."""
        record = await self._projects.get(name)
        if record is None:
            raise ProjectNotFound(f"There is no project {name!r}; `GET /admin/v1/projects` lists them.")
        return ProjectView.of(record)

    async def update(self, name: ProjectId, changes: ProjectUpdateRequest) -> ProjectView:
        """Change a project: only what is named; null takes a limit away. Every replica acts on it within a second."""
        await self._projects.update(name, changes.to_change())
        return await self.get(name)


class ReportHandlers:
    """Shows what is spent and used, and who waits."""

    def __init__(
        self, *, budgets: BudgetReport, queue: QueueReport, jobs: JobStore, reports: UsageReports, clock: Clock
    ) -> None:
        self._budgets = budgets
        self._queue = queue
        self._jobs = jobs
        self._reports = reports
        self._clock = clock

    async def budgets(self, query: Annotated[ProjectListQuery, Query()]) -> BudgetPage:
        """Show who has a budget, what is spent and held of it, and when it is renewed."""
        found = await self._budgets.read(self._clock.now(), project=query.project, after=query.after, limit=query.limit)
        return BudgetPage.of(found)

    async def queue(self, query: Annotated[QueueQuery, Query()]) -> QueueView:
        """Show who waits for the upstream, how long, and on what."""
        lanes = await self._queue.read(self._clock.now(), limit=query.limit)
        return QueueView(data=[LaneView.of(lane) for lane in lanes])

    async def jobs(self, query: Annotated[JobsQuery, Query()]) -> JobPage:
        """Show the background responses that wait or are being made, the oldest first."""
        return JobPage(data=[JobView.of(job) for job in await self._jobs.open_jobs(query.project)])

    async def usage(self, query: Annotated[UsageQuery, Query()]) -> UsagePage:
        """Sum up the ledger by day, key, model, user, project, route or provider."""
        until = _seconds_or(query.until, self._clock.now())
        since = _seconds_or(query.since, until - _MONTH_SECONDS)
        rows = await self._reports.usage(GroupBy(query.by), since=since, until=until, project=query.project)
        names = [row.group for row in rows]
        begin = names.index(query.after) + 1 if query.after in names else 0
        shown, last = _split_page(rows[begin : begin + query.limit + 1], query.limit)
        data = [UsageView.of(row) for row in shown]
        return UsagePage(
            data=data, total=UsageView.of(total(rows)), has_more=last is not None, last=last.group if last else None
        )


def _seconds_or(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp()


def _split_page(found: list[_Record], limit: int) -> tuple[list[_Record], _Record | None]:
    """The page, and its last entry where something follows it."""
    return found[:limit], found[limit - 1] if len(found) > limit else None
