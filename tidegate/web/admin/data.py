"""What an operator does over HTTP with what was said: search, export, forget."""

from typing import Annotated

from fastapi import Query
from starlette.responses import StreamingResponse

from tidegate.auth.project_store import ProjectStore
from tidegate.conversations.storage.export import Export
from tidegate.conversations.storage.search import Searcher
from tidegate.core.errors import NoSuchProject
from tidegate.pipeline.erasure import Forgetting
from tidegate.web.admin.data_schemas import ExportAsked, ForgetAsked, ForgetShown, FoundPage, FoundShown, SearchAsked


class JsonLines(StreamingResponse):
    """A JSON object a line."""

    media_type = "application/jsonl"


class DataDesk:
    """Searches all projects, exports one or an end user of it, and forgets end users."""

    def __init__(self, *, projects: ProjectStore, searcher: Searcher, export: Export, forgetting: Forgetting) -> None:
        self._projects = projects
        self._searcher = searcher
        self._export = export
        self._forgetting = forgetting

    async def search(self, asked: Annotated[SearchAsked, Query()]) -> FoundPage:
        """Find messages by their words, the newest first."""
        return FoundPage(data=[FoundShown.of(found) for found in await self._searcher.find(asked.search())])

    async def export(self, asked: Annotated[ExportAsked, Query()]) -> JsonLines:
        """Give all that is stored of a project or an end user, a JSON object a line."""
        await self._known(asked.project)
        return JsonLines(self._export.lines(asked.project, asked.end_user))

    async def forget(self, asked: ForgetAsked) -> ForgetShown:
        """Erase what is known of an end user, everywhere; of the ledger only their name."""
        await self._known(asked.project)
        act = self._forgetting.count if asked.dry_run else self._forgetting.forget
        found = await act(asked.project, asked.end_user)
        return ForgetShown.model_validate({**asked.model_dump(), **found})

    async def _known(self, project: str) -> None:
        if await self._projects.get(project) is None:
            raise NoSuchProject(f"There is no project {project!r}; `GET /admin/v1/projects` lists them.")
