"""`/admin/v1/projects`: list and change projects. Registered by routes.py; the command is `tidegate projects`."""

from collections.abc import Sequence
from typing import Annotated, Self

from fastapi import Path, Query
from msgspec import UNSET
from msgspec.structs import asdict
from pydantic import Field

from tidegate.auth.grants import MAX_RETENTION_DAYS, ProjectChange
from tidegate.auth.project_store import ProjectRecord, ProjectStore
from tidegate.core.clock import Clock
from tidegate.core.errors import ProjectNotFound
from tidegate.pipeline.call_cost import BudgetCheck
from tidegate.web.admin.schemas import (
    LimitsSchema,
    ListPage,
    ListQuery,
    Name,
    PriorityName,
    Schema,
    priority_name,
    split_page,
    to_priority,
)

ProjectId = Annotated[Name, Path(description="The project's name.")]


class ProjectUpdateRequest(Schema):
    """Changes of a project. Fields that are left out do not change."""

    limits: LimitsSchema = LimitsSchema()
    user_limits: LimitsSchema = Field(default=LimitsSchema(), description="Limits of each end user.")
    priority: PriorityName | None = Field(default=None, description="null means normal.")
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=MAX_RETENTION_DAYS,
        description="Days to keep what is stored from now on; null for ever.",
    )

    def to_change(self) -> ProjectChange:
        """Return the change for the project store."""
        return ProjectChange(
            limits=self.limits.to_change(),
            user_limits=self.user_limits.to_change(),
            priority=to_priority(self.priority) if "priority" in self.model_fields_set else UNSET,
            retention_days=self.retention_days if "retention_days" in self.model_fields_set else UNSET,
        )


class ProjectView(Schema):
    """A project."""

    name: str
    created_at: float
    limits: LimitsSchema
    user_limits: LimitsSchema = Field(description="Limits of each end user.")
    priority: PriorityName | None
    retention_days: int | None = Field(description="Days to keep what is stored; null for ever.")
    warnings: list[str] = Field(default=[], description="After a change: the models that a budget cannot pay once.")

    @classmethod
    def of(cls, record: ProjectRecord, warnings: Sequence[str] = ()) -> Self:
        """Return the project."""
        limits = {"limits": LimitsSchema.of(record.limits), "user_limits": LimitsSchema.of(record.user_limits)}
        fields = {**limits, "priority": priority_name(record.priority), "warnings": list(warnings)}
        return cls.model_validate({**asdict(record), **fields})


class ProjectPage(ListPage):
    """Projects by name."""

    data: list[ProjectView]


class ProjectHandlers:
    """Lists and changes projects. A project is created with its first key."""

    def __init__(self, projects: ProjectStore, clock: Clock, budget_check: BudgetCheck) -> None:
        self._projects = projects
        self._clock = clock
        self._budget_check = budget_check

    async def list(self, query: Annotated[ListQuery, Query()]) -> ProjectPage:
        """List the projects by name."""
        records = await self._projects.list(after=query.after, limit=query.limit + 1)
        page, last = split_page(records, query.limit)
        data = [ProjectView.of(record) for record in page]
        return ProjectPage(data=data, has_more=last is not None, last=last.name if last else None)

    async def get(self, name: ProjectId) -> ProjectView:
        """Return one project."""
        return ProjectView.of(await self._get(name))

    async def update(self, name: ProjectId, changes: ProjectUpdateRequest) -> ProjectView:
        """Change a project. `null` removes a limit. Every replica applies the change within a second."""
        await self._projects.update(name, changes.to_change())
        record = await self._get(name)
        return ProjectView.of(record, project_warnings(self._budget_check, record, at=self._clock.now()))

    async def _get(self, name: str) -> ProjectRecord:
        record = await self._projects.get(name)
        if record is None:
            raise project_not_found(name)
        return record


def project_warnings(budget_check: BudgetCheck, record: ProjectRecord, *, at: float) -> list[str]:
    """Return the models that a budget of the project, or of each of its end users, cannot pay once, as sentences."""
    all_limits = (record.limits, record.user_limits)
    return [warning for limits in all_limits for warning in budget_check.warnings(limits, at=at)]


def project_not_found(name: str) -> ProjectNotFound:
    """Return the error for an unknown project."""
    return ProjectNotFound(f"There is no project {name!r}; `GET /admin/v1/projects` lists them.")
