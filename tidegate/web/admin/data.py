"""What an operator does over HTTP with what was said: search, export, forget."""

from typing import Annotated

from fastapi import Query
from starlette.responses import StreamingResponse

from tidegate.auth.project_store import ProjectStore
from tidegate.conversations.storage.export import ConversationExport
from tidegate.conversations.storage.search import ConversationSearch
from tidegate.core.errors import ProjectNotFound
from tidegate.pipeline.erasure import EndUserErasure
from tidegate.web.admin.data_schemas import (
    EraseEndUserRequest,
    ErasureView,
    ExportQuery,
    MessagePage,
    MessageSearchQuery,
    MessageView,
)


class JsonLinesResponse(StreamingResponse):
    """A JSON object a line."""

    media_type = "application/jsonl"


class DataHandlers:
    """Searches all projects, exports one or an end user of it, and forgets end users."""

    def __init__(
        self,
        *,
        projects: ProjectStore,
        searcher: ConversationSearch,
        export: ConversationExport,
        erasure: EndUserErasure,
    ) -> None:
        self._projects = projects
        self._searcher = searcher
        self._export = export
        self._erasure = erasure

    async def search(self, query: Annotated[MessageSearchQuery, Query()]) -> MessagePage:
        """Find messages by their words, the newest first."""
        return MessagePage(data=[MessageView.of(found) for found in await self._searcher.find(query.to_search())])

    async def export(self, query: Annotated[ExportQuery, Query()]) -> JsonLinesResponse:
        """Give all that is stored of a project or an end user, a JSON object a line."""
        await self._require_project(query.project)
        return JsonLinesResponse(self._export.lines(query.project, query.end_user))

    async def erase_end_user(self, request: EraseEndUserRequest) -> ErasureView:
        """Erase what is known of an end user, everywhere; of the ledger only their name."""
        await self._require_project(request.project)
        act = self._erasure.count if request.dry_run else self._erasure.erase
        found = await act(request.project, request.end_user)
        return ErasureView.model_validate({**request.model_dump(), **found})

    async def _require_project(self, project: str) -> None:
        if await self._projects.get(project) is None:
            raise ProjectNotFound(f"There is no project {project!r}; `GET /admin/v1/projects` lists them.")
