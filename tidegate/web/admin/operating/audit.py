"""`/admin/v1/audit`: who did what. Registered by routes.py; the command is `tidegate audit`."""

from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import AwareDatetime, Field

from tidegate.audit.act import AuditOutcome
from tidegate.audit.store import AuditEntry, AuditFilter, AuditStore
from tidegate.web.admin.schemas import MAX_LISTED, Name, Schema, split_page

OutcomeName = Literal["done", "refused", "failed", "unknown"]


class AuditQuery(Schema):
    """Which audit lines to show."""

    actor: Name | None = Field(default=None, description="The id or the name of who acted.")
    action: Name | None = Field(default=None, description="An action, or its first part: `keys` for `keys.revoke`.")
    about: Name | None = Field(default=None, description="A parameter's value, or the id of what was made.")
    outcome: OutcomeName | None = None
    since: Annotated[AwareDatetime | None, Field(strict=False)] = None
    until: Annotated[AwareDatetime | None, Field(strict=False, description="Exclusive.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED, strict=False)] = 100
    after: Annotated[int | None, Field(ge=1, strict=False, description="The `last` of the previous page.")] = None

    def to_filter(self) -> AuditFilter:
        """Return the filter for the store, which asks for one line more than the page has."""
        return AuditFilter(
            actor=self.actor,
            action=self.action,
            about=self.about,
            outcome=None if self.outcome is None else AuditOutcome(self.outcome),
            since=None if self.since is None else self.since.timestamp(),
            until=None if self.until is None else self.until.timestamp(),
            before=self.after,
            limit=self.limit + 1,
        )


class AuditView(Schema):
    """One act: who did what, on what, from where, and how it ended."""

    id: int
    at: float = Field(description="When it began, in Unix seconds.")
    actor_kind: Literal["key", "cli"] = Field(description="An admin key, or a person at the command line.")
    actor: str = Field(description="The key's id, or the number of the operating system's user.")
    actor_name: str
    address: str = Field(description="The client's address, or the command line's machine.")
    action: str
    parameters: dict[str, str] = Field(description="What was asked for, without secrets and callers' words.")
    reads_conversations: bool
    outcome: OutcomeName = Field(description="`unknown`: in progress, or its process died.")
    error: str | None
    result: str | None = Field(description="The id of what was made.")

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Return the line."""
        actor, act = entry.actor, entry.act
        return cls.model_validate(
            {
                "id": entry.id,
                "at": entry.at,
                "actor_kind": actor.kind,
                "actor": actor.id,
                "actor_name": actor.name,
                "address": actor.address,
                "action": act.action,
                "parameters": dict(act.parameters),
                "reads_conversations": act.reads_conversations,
                "outcome": entry.outcome.value,
                "error": entry.error,
                "result": entry.result,
            }
        )


class AuditPage(Schema):
    """Audit lines, newest first. Get older ones with `after`."""

    object: Literal["list"] = "list"
    data: list[AuditView]
    has_more: bool
    last: int | None = Field(description="The next page's `after`; null on the last page.")


class AuditHandlers:
    """Shows audit lines."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def list(self, query: Annotated[AuditQuery, Query()]) -> AuditPage:
        """Show administrative acts and readings of conversations, newest first."""
        page, last = split_page(await self._store.read(query.to_filter()), query.limit)
        return AuditPage(
            data=[AuditView.of(entry) for entry in page],
            has_more=last is not None,
            last=None if last is None else last.id,
        )
