"""`/admin/v1/cache`: purge stored answers. Registered by routes.py; the command is `tidegate cache`."""

from pydantic import Field

from tidegate.cache.purge import AnswerPurge, PurgeSelection
from tidegate.web.admin.schemas import Name, ProjectName, Schema


class CachePurgeRequest(Schema):
    """What to purge: `project`, `model` or both, or `request_id` alone, or `all` alone."""

    project: ProjectName | None = Field(default=None, description="The answers of this project.")
    model: Name | None = Field(default=None, min_length=1, description="The answers of this model, as callers name it.")
    request_id: Name | None = Field(
        default=None, min_length=1, description="The answer that the call with this `x-request-id` stored."
    )
    all: bool = Field(default=False, description="All answers of all projects.")


class CachePurgeView(Schema):
    """What was purged."""

    removed: int = Field(description="Stored answers that were removed.")


class CacheHandlers:
    """Purges stored answers."""

    def __init__(self, purge: AnswerPurge) -> None:
        self._purge = purge

    async def purge(self, request: CachePurgeRequest) -> CachePurgeView:
        """Remove stored answers. A call that is in progress stores no answer that this selects."""
        selection = PurgeSelection.of(
            project=request.project, model=request.model, request_id=request.request_id, everything=request.all
        )
        return CachePurgeView(removed=await self._purge.purge(selection))
