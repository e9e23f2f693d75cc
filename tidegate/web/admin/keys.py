"""`/admin/v1/keys`: create, list, change, rotate, find and revoke API keys.

Registered by routes.py; command: `tidegate keys`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from fastapi import Path, Query
from msgspec import UNSET
from msgspec.structs import asdict
from pydantic import Field

from tidegate.auth import key_format
from tidegate.auth.grants import KeyChange
from tidegate.auth.key_rotation import MAX_OVERLAP_SECONDS, KeyMatch, KeyRotation
from tidegate.auth.key_store import KeyRecord, KeyStore
from tidegate.core.clock import Clock
from tidegate.core.errors import ApiKeyNotFound
from tidegate.pipeline.call_cost import BudgetCheck
from tidegate.web.admin.schemas import (
    LimitsSchema,
    ListPage,
    Name,
    PriorityName,
    ProjectListQuery,
    ProjectName,
    Schema,
    UnixTime,
    priority_name,
    split_page,
    to_priority,
)

KeyId = Annotated[Name, Path(description="The key's `id`.")]
_Priority = Annotated[PriorityName | None, Field(description="null inherits the project's priority.")]
_Models = Annotated[list[ProjectName], Field(max_length=100, description="Allowed models; empty allows all.")]


class NewKeyRequest(Schema):
    """A key to create."""

    project: ProjectName
    name: Name = ""
    expires_at: UnixTime | None = Field(default=None, description="Unix seconds; null for never.")
    admin: bool = Field(default=False, description="An admin key may call `/admin/v1` and no model.")
    read_only: bool = Field(default=False, description="An admin key that sees everything and changes nothing.")
    limits: LimitsSchema = LimitsSchema()
    priority: _Priority = None
    models: _Models = Field(default=[])

    def to_grants(self) -> KeyChange:
        """Return limits, priority and models for the key store."""
        return KeyChange(
            limits=self.limits.to_change(),
            priority=to_priority(self.priority),
            models=tuple(dict.fromkeys(self.models)),
        )


class KeyUpdateRequest(Schema):
    """Changes of a key. Fields that are left out do not change."""

    name: Name = ""
    expires_at: UnixTime | None = Field(default=None, description="Unix seconds; null for never.")
    limits: LimitsSchema = LimitsSchema()
    priority: _Priority = None
    models: _Models = Field(default=[])

    def to_change(self) -> KeyChange:
        """Return the change for the key store."""
        fields = self.model_fields_set
        return KeyChange(
            name=self.name if "name" in fields else UNSET,
            expires_at=self.expires_at if "expires_at" in fields else UNSET,
            limits=self.limits.to_change(),
            priority=to_priority(self.priority) if "priority" in fields else UNSET,
            models=tuple(dict.fromkeys(self.models)) if "models" in fields else UNSET,
        )


class RotationRequest(Schema):
    """How long both secrets of a key are valid."""

    overlap_seconds: Annotated[float, Field(ge=0, le=MAX_OVERLAP_SECONDS)] = Field(
        description="For how long the old secret stays valid; 0 stops it at once."
    )


class FindRequest(Schema):
    """A secret whose key is looked for."""

    key: Annotated[str, Field(min_length=1, max_length=1000, description="The secret, as a client sends it.")]


class ReplacedSecretView(Schema):
    """The secret that the last rotation replaced, or that an undone rotation had made."""

    hint: str = Field(description="The last four characters of the secret.")
    state: Literal["valid", "stopped"]
    stops_at: float = Field(description="When it stops or stopped.")
    last_used_at: float | None = Field(description="When it was last sent, to within a minute, also if rejected.")


class KeyView(Schema):
    """A key. Times are in Unix seconds."""

    id: str
    project: str
    name: str
    hint: str = Field(description="The last four characters of the secret.")
    admin: bool
    read_only: bool = Field(description="Whether, as an admin key, it may change nothing.")
    state: Literal["active", "expired", "revoked"]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    limits: LimitsSchema
    priority: PriorityName | None
    models: list[str]
    last_used_at: float | None = Field(description="When the present secret was last used, to within a minute.")
    replaced: ReplacedSecretView | None
    warnings: list[str] = Field(default=[], description="After a change: the models that a budget cannot pay once.")

    @classmethod
    def of(cls, record: KeyRecord, now: float, **more: Any) -> Self:
        """Return the key with its state at `now`."""
        fields = {
            "state": record.state(now),
            "limits": LimitsSchema.of(record.limits),
            "priority": priority_name(record.priority),
            "models": list(record.models),
            "replaced": _replaced_view(record, now),
        }
        return cls.model_validate({**asdict(record), **fields, **more})


class NewKeyView(KeyView):
    """A new key. Only this response contains the secret, `key`."""

    key: str


class KeyMatchView(KeyView):
    """The key to which a secret belongs."""

    secret: Literal["present", "replaced", "stopped"] = Field(
        description="`present`, `replaced` (by a rotation, and still valid) or `stopped` (no longer valid)."
    )

    @classmethod
    def of_match(cls, match: KeyMatch, now: float) -> Self:
        """Return the key, and what the secret is to it at `now`."""
        stops_at = match.stops_at
        secret = "present" if stops_at is None else "replaced" if stops_at > now else "stopped"
        return cls.of(match.record, now, secret=secret)


class KeyPage(ListPage):
    """Keys, oldest first."""

    data: list[KeyView]


class KeyHandlers:
    """Creates, lists, changes, rotates, finds and revokes keys."""

    def __init__(self, keys: KeyStore, rotation: KeyRotation, clock: Clock, budget_check: BudgetCheck) -> None:
        self._keys = keys
        self._rotation = rotation
        self._budget_check = budget_check
        self._clock = clock

    async def create(self, request: NewKeyRequest) -> NewKeyView:
        """Create a key. Only this response contains its secret, `key`."""
        created = await self._keys.create(
            project=request.project,
            name=request.name,
            expires_at=request.expires_at,
            admin=request.admin,
            read_only=request.read_only,
            grants=request.to_grants(),
        )
        warnings = self._warnings(created.record)
        return NewKeyView.of(created.record, self._clock.now(), key=created.token, warnings=warnings)

    async def list(self, query: Annotated[ProjectListQuery, Query()]) -> KeyPage:
        """List the keys, oldest first."""
        records = await self._keys.list(query.project, after=query.after, limit=query.limit + 1)
        page, last = split_page(records, query.limit)
        now = self._clock.now()
        data = [KeyView.of(record, now) for record in page]
        return KeyPage(data=data, has_more=last is not None, last=last.id if last else None)

    async def get(self, key_id: KeyId) -> KeyView:
        """Return one key."""
        return KeyView.of(await self._get(key_id), self._clock.now())

    async def update(self, key_id: KeyId, changes: KeyUpdateRequest) -> KeyView:
        """Change a key. `null` removes a limit. Every replica applies the change within a second."""
        await self._keys.update(key_id, changes.to_change())
        record = await self._get(key_id)
        return KeyView.of(record, self._clock.now(), warnings=self._warnings(record))

    async def revoke(self, key_id: KeyId) -> KeyView:
        """Revoke a key for good. Every replica rejects it within a second."""
        await self._keys.revoke(key_id)
        return await self.get(key_id)

    async def rotate(self, key_id: KeyId, request: RotationRequest) -> NewKeyView:
        """Give a key a new secret. The old one stays valid for the overlap. Only this response contains the new one."""
        created = await self._rotation.rotate(key_id, overlap=request.overlap_seconds)
        return NewKeyView.of(created.record, self._clock.now(), key=created.token)

    async def undo_rotation(self, key_id: KeyId) -> KeyView:
        """Make the old secret the only one again, and stop the new one. Possible until the overlap ends."""
        await self._rotation.undo(key_id)
        return await self.get(key_id)

    async def finish_rotation(self, key_id: KeyId) -> KeyView:
        """Stop the old secret before the end of its overlap."""
        await self._rotation.finish(key_id)
        return await self.get(key_id)

    async def find(self, request: FindRequest) -> KeyMatchView:
        """Return the key to which a secret belongs, also if the secret is no longer valid."""
        match = await self._rotation.find(key_format.tidied(request.key))
        if match is None:
            raise ApiKeyNotFound("No key of this gateway has or had this secret.")
        return KeyMatchView.of_match(match, self._clock.now())

    async def _get(self, key_id: str) -> KeyRecord:
        record = await self._keys.get(key_id)
        if record is None:
            raise ApiKeyNotFound(f"There is no key {key_id!r}; `GET /admin/v1/keys` lists them.")
        return record

    def _warnings(self, record: KeyRecord) -> Sequence[str]:
        return self._budget_check.warnings(record.limits, models=record.models, at=self._clock.now())


def _replaced_view(record: KeyRecord, now: float) -> ReplacedSecretView | None:
    replaced = record.replaced
    if replaced is None:
        return None
    return ReplacedSecretView(state="valid" if replaced.stops_at > now else "stopped", **asdict(replaced))
