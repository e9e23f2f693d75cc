"""What the admin API takes and gives of what was said, which is also what `--json` prints."""

from typing import Annotated, Self

from msgspec.structs import asdict
from pydantic import AwareDatetime, Field

from tidegate.conversations.storage.search import MATCH_END, MATCH_START, SearchHit, SearchQuery
from tidegate.web.admin.schemas import Name, ProjectName, Schema

MAX_RESULTS = 100
_MAX_WORDS_LENGTH = 1000

EndUser = Annotated[str, Field(min_length=1, max_length=256, description="As the calls named them.")]


class MessageSearchQuery(Schema):
    """Which messages to look for."""

    words: Annotated[
        str, Field(min_length=1, max_length=_MAX_WORDS_LENGTH, description='All of them; "a phrase", or, -without.')
    ]
    project: Name | None = None
    end_user: EndUser | None = None
    before: Annotated[AwareDatetime | None, Field(strict=False, description="Said before.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_RESULTS, strict=False)] = 20

    def to_search(self) -> SearchQuery:
        """The same for the searcher."""
        before = None if self.before is None else self.before.timestamp()
        return SearchQuery(
            words=self.words, project=self.project, end_user=self.end_user, before=before, limit=self.limit
        )


class MessageView(Schema):
    """A message that was found."""

    created_at: float = Field(description="Unix seconds.")
    project: str
    conversation: str = Field(description="A conversation, a chain of responses, or a stored completion.")
    turn: str | None = Field(description="The response or completion that it belongs to.")
    id: str
    role: str | None
    end_user: str | None
    model: str | None
    excerpt: str = Field(description="What was found stands between ** and **.")

    @classmethod
    def of(cls, found: SearchHit) -> Self:
        """The message."""
        marked = found.excerpt.replace(MATCH_START, "**").replace(MATCH_END, "**")
        return cls.model_validate({**asdict(found), "excerpt": marked})


class MessagePage(Schema):
    """Messages, the newest first. Ask for more with `before` and the last one's `at`."""

    data: list[MessageView]


class ExportQuery(Schema):
    """Whose data to export."""

    project: ProjectName
    end_user: EndUser | None = None


class EraseEndUserRequest(Schema):
    """Whom to forget."""

    project: ProjectName
    end_user: EndUser
    dry_run: bool = Field(default=False, description="Only tell what there is.")


class ErasureView(Schema):
    """What there was of an end user; all of it is gone, unless it was a dry run."""

    project: str
    end_user: str
    dry_run: bool
    conversations: int = Field(description="That they took part in; deleted where nobody else did.")
    responses: int
    items: int
    completions: int
    ledger_lines: int = Field(description="Kept, as it is money, under a name that says nothing.")
    cached_answers: int
