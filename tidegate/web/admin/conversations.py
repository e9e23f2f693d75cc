"""`/admin/v1/messages` and `/export`: search and export what is stored. Registered by routes.py.

The command is `tidegate conversations`.
"""

from typing import Annotated, Self

from fastapi import Query
from msgspec.structs import asdict
from pydantic import AwareDatetime, Field
from starlette.responses import StreamingResponse

from tidegate.auth.project_store import ProjectStore
from tidegate.conversations.storage.export import ConversationExport
from tidegate.conversations.storage.search import MATCH_END, MATCH_START, ConversationSearch, SearchHit, SearchQuery
from tidegate.web.admin.projects import project_not_found
from tidegate.web.admin.schemas import EndUser, Name, ProjectName, Schema

MAX_RESULTS = 100
_MAX_WORDS_LENGTH = 1000


class JsonLinesResponse(StreamingResponse):
    """One JSON object per line."""

    media_type = "application/jsonl"


class MessageSearchQuery(Schema):
    """Which messages to find."""

    words: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_MAX_WORDS_LENGTH,
            description='Search words: all of them, "a phrase", `or`, `-without`.',
        ),
    ]
    project: Name | None = Field(default=None, description="Only this project.")
    end_user: EndUser | None = None
    before: Annotated[AwareDatetime | None, Field(strict=False, description="Only messages before this time.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_RESULTS, strict=False)] = 20

    def to_search(self) -> SearchQuery:
        """Return the query for the search."""
        before = None if self.before is None else self.before.timestamp()
        return SearchQuery(
            words=self.words, project=self.project, end_user=self.end_user, before=before, limit=self.limit
        )


class MessageView(Schema):
    """A message that matches a search."""

    created_at: float = Field(description="Unix seconds.")
    project: str
    conversation: str = Field(description="A conversation, a chain of responses, or a stored completion.")
    turn: str | None = Field(description="The response or completion that the message belongs to.")
    id: str
    role: str | None
    end_user: str | None
    model: str | None
    excerpt: str = Field(description="The matching words stand between ** and **.")

    @classmethod
    def of(cls, hit: SearchHit) -> Self:
        """Return the message."""
        fields = asdict(hit)
        excerpt = hit.excerpt.replace(MATCH_START, "**").replace(MATCH_END, "**")
        created_at = fields.pop("at")
        return cls.model_validate({**fields, "created_at": created_at, "excerpt": excerpt})


class MessagePage(Schema):
    """Messages, newest first. Get older ones with `before` and the last one's `created_at`."""

    data: list[MessageView]


class ExportQuery(Schema):
    """Whose data to export."""

    project: ProjectName
    end_user: EndUser | None = None


class ConversationDataHandlers:
    """Searches all projects, and exports one project or one of its end users."""

    def __init__(self, *, projects: ProjectStore, searcher: ConversationSearch, export: ConversationExport) -> None:
        self._projects = projects
        self._searcher = searcher
        self._export = export

    async def search(self, query: Annotated[MessageSearchQuery, Query()]) -> MessagePage:
        """Search stored messages by words, newest first."""
        return MessagePage(data=[MessageView.of(hit) for hit in await self._searcher.find(query.to_search())])

    async def export(self, query: Annotated[ExportQuery, Query()]) -> JsonLinesResponse:
        """Export everything stored of a project or an end user as JSON Lines."""
        if await self._projects.get(query.project) is None:
            raise project_not_found(query.project)
        return JsonLinesResponse(self._export.lines(query.project, query.end_user))
