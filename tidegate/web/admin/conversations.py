"""`/admin/v1/conversations`, `/messages` and `/export`: read, search and export what is stored.

Registered by routes.py. The command is `tidegate conversations`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from fastapi import Query
from msgspec.structs import asdict
from pydantic import AwareDatetime, Field
from starlette.responses import StreamingResponse

from tidegate.auth.project_store import ProjectStore
from tidegate.conversations.storage.export import ConversationExport
from tidegate.conversations.storage.reading import ConversationLine, ConversationReading
from tidegate.conversations.storage.search import MATCH_END, MATCH_START, ConversationSearch, SearchHit, SearchQuery
from tidegate.core.errors import ObjectNotFound
from tidegate.web.admin.projects import project_not_found
from tidegate.web.admin.schemas import EndUser, Name, ProjectName, Schema, split_page

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


class ConversationsQuery(Schema):
    """Which conversations to list, the newest first."""

    query: Annotated[str, Field(max_length=_MAX_WORDS_LENGTH, description="Search words, as for messages.")] = ""
    project: Name | None = Field(default=None, description="Only this project.")
    before: Annotated[float | None, Field(strict=False, ge=0, description="Only from before; Unix seconds.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_RESULTS, strict=False)] = 20


class ConversationView(Schema):
    """A conversation, a chain of responses, or a stored completion."""

    project: str
    id: str
    kind: Literal["conversation", "chain", "completion", "found"] = Field(description="`found`: by a search.")
    at: float = Field(description="When it was created, or the found message; Unix seconds.")
    items: int | None = Field(description="How many items were ever added; null after a search.")
    end_user: str | None
    excerpt: str | None = Field(description="Its begin, or the matching words between ** and **.")

    @classmethod
    def of(cls, line: ConversationLine) -> Self:
        """Return one of a list."""
        fields = asdict(line)
        at, begins = fields.pop("created_at"), fields.pop("begins")
        return cls.model_validate({**fields, "at": at, "excerpt": begins, "end_user": None})

    @classmethod
    def of_hit(cls, hit: SearchHit) -> Self:
        """Return the conversation of a message that was found."""
        excerpt = hit.excerpt.replace(MATCH_START, "**").replace(MATCH_END, "**")
        return cls(
            project=hit.project,
            id=hit.conversation,
            kind="found",
            at=hit.at,
            items=None,
            end_user=hit.end_user,
            excerpt=excerpt,
        )


class ConversationPage(Schema):
    """Conversations, newest first. Get older ones with `before` and `next_before`."""

    data: list[ConversationView]
    next_before: float | None = Field(description="The next page's `before`; null on the last page.")


class ConversationReadQuery(Schema):
    """Which part of a conversation to read."""

    project: Name | None = Field(default=None, description="Its project, where others may have the same id.")
    after: Annotated[int, Field(strict=False, ge=0, description="The `last` of the previous page.")] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_RESULTS, strict=False)] = 50


class ConversationItemView(Schema):
    """One item, as text."""

    n: int
    id: str
    type: str
    role: str | None
    output: bool = Field(description="Whether the model wrote it.")
    at: float = Field(description="Unix seconds.")
    end_user: str | None
    text: str = Field(description="What was said; of an item without words its JSON.")
    is_cut: bool = Field(description="Whether the text is longer than what is shown.")


class ConversationReadView(Schema):
    """A part of a conversation."""

    project: str
    id: str
    kind: str
    created_at: float = Field(description="Unix seconds.")
    parent: str | None = Field(description="The chain that it goes on from, up to the item `parent_seq`.")
    parent_seq: int | None
    items: list[ConversationItemView]
    has_more: bool
    last: int | None = Field(description="The next page's `after`; null on the last page.")


class ConversationDataHandlers:
    """Reads and searches all projects, and exports one project or one of its end users."""

    def __init__(
        self,
        *,
        projects: ProjectStore,
        searcher: ConversationSearch,
        reading: ConversationReading,
        export: ConversationExport,
    ) -> None:
        self._projects = projects
        self._searcher = searcher
        self._reading = reading
        self._export = export

    async def list(self, query: Annotated[ConversationsQuery, Query()]) -> ConversationPage:
        """List conversations, or those that a search finds, newest first."""
        if query.query.strip():
            search = SearchQuery(words=query.query, project=query.project, before=query.before, limit=query.limit)
            hits = await self._searcher.find(search)
            views = {(hit.project, hit.conversation): ConversationView.of_hit(hit) for hit in reversed(hits)}
            return _page([*views.values()][::-1], hits[-1].at if len(hits) == query.limit else None)
        lines = await self._reading.list(project=query.project, before=query.before, limit=query.limit)
        return _page(
            [ConversationView.of(line) for line in lines],
            lines[-1].created_at if len(lines) == query.limit else None,
        )

    async def read(
        self, conversation_id: Name, query: Annotated[ConversationReadQuery, Query()]
    ) -> ConversationReadView:
        """Read a conversation page by page. It is recorded who did."""
        found = await self._reading.find(conversation_id, query.project)
        if found is None:
            raise ObjectNotFound(f"No conversation, chain of responses or stored completion is {conversation_id!r}.")
        items = await self._reading.items(found, after=query.after, limit=query.limit + 1)
        page, last = split_page([*items], query.limit)
        views = [ConversationItemView.model_validate(asdict(item)) for item in page]
        return ConversationReadView(
            **asdict(found), items=views, has_more=last is not None, last=last.n if last else None
        )

    async def search(self, query: Annotated[MessageSearchQuery, Query()]) -> MessagePage:
        """Search stored messages by words, newest first."""
        return MessagePage(data=[MessageView.of(hit) for hit in await self._searcher.find(query.to_search())])

    async def export(self, query: Annotated[ExportQuery, Query()]) -> JsonLinesResponse:
        """Export everything stored of a project or an end user as JSON Lines."""
        if await self._projects.get(query.project) is None:
            raise project_not_found(query.project)
        return JsonLinesResponse(self._export.lines(query.project, query.end_user))


def _page(views: Sequence[ConversationView], next_before: float | None) -> ConversationPage:
    return ConversationPage(data=list(views), next_before=next_before)
