"""Answers for the pipeline whose an object is, before a call and after an upstream made one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from tidegate.core.clock import Clock
from tidegate.core.errors import ObjectNotRecorded, StoreError
from tidegate.ownership.derived_objects import MadeObject
from tidegate.ownership.object_store import ObjectStore
from tidegate.ownership.owned_object import NewObject, ObjectReference, OwnedPlace
from tidegate.ownership.rules import Unrecorded, judge

_RECORD_TRIES = 3
_RETRY_SECONDS = 0.5

_log = structlog.get_logger("ownership")


class ObjectOwners:
    """The owners of one deployment's objects. Methods raise PostgresUnavailable: without an answer nothing is sent."""

    def __init__(
        self,
        store: ObjectStore,
        clock: Clock,
        *,
        unrecorded: Unrecorded,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`unrecorded` is what is done with objects that no project has on record; `pause` waits between tries."""
        self._store = store
        self._clock = clock
        self._unrecorded: Unrecorded = unrecorded
        self._pause = pause

    async def check(self, project: str, references: Sequence[ObjectReference]) -> OwnedPlace | None:
        """Return the account that has the objects; None where it does not matter.

        Raises UpstreamObjectNotFound and ObjectsApart.
        """
        if not references:
            return None
        ids = [reference.id for reference in references]
        owned = {one.id: one for one in await self._store.find(project, ids)}
        missing = [one for one in ids if one not in owned]
        of_others: Iterable[str] = ()
        if missing and self._unrecorded == "allow":
            of_others = await self._store.of_others(project, missing)
        return judge(references, owned, frozenset(of_others), unrecorded=self._unrecorded)

    async def record(
        self, project: str, made: Sequence[MadeObject], place: OwnedPlace, *, end_user: str | None = None
    ) -> None:
        """Record what the upstream made. Raises ObjectNotRecorded, after which no project can use it."""
        if not made:
            return
        wanted = [self._new(one, place, end_user) for one in made]
        recorded = await self._recorded(project, wanted)
        for one in wanted:
            if one.id not in recorded:
                self._warn(project, one, "another project has an object of this id")
                raise ObjectNotRecorded

    async def adopt(self, project: str, made: Sequence[MadeObject], place: OwnedPlace) -> None:
        """Record what an object of the project has made since, such as the output file of its batch."""
        if not made:
            return
        known = {one.id for one in await self._store.find(project, [one.id for one in made])}
        await self.record(project, [one for one in made if one.id not in known], place)

    async def mark_gone(self, project: str, object_id: str) -> None:
        """Note that the upstream has deleted an object."""
        await self._store.mark_gone(project, [object_id])

    def _new(self, made: MadeObject, place: OwnedPlace, end_user: str | None) -> NewObject:
        return NewObject(
            id=made.id,
            kind=made.kind,
            place=place,
            created_at=self._clock.now() if made.created_at is None else made.created_at,
            end_user=end_user,
            document=made.document,
        )

    async def _recorded(self, project: str, wanted: Sequence[NewObject]) -> frozenset[str]:
        """Record, if need be several times: what was made costs more than waiting. Raises ObjectNotRecorded."""
        for n in range(_RECORD_TRIES):
            try:
                return await self._store.record(project, wanted)
            except StoreError as error:
                if n + 1 == _RECORD_TRIES:
                    for one in wanted:
                        self._warn(project, one, error.message)
                    raise ObjectNotRecorded from error
                await self._pause(_RETRY_SECONDS)
        raise ObjectNotRecorded

    def _warn(self, project: str, made: NewObject, reason: str) -> None:
        _log.error(
            "an object was made at the upstream, but has no owner: `tidegate objects assign` gives it one",
            project=project,
            kind=made.kind.value,
            object_id=made.id,
            provider=made.place.provider,
            credential=made.place.credential,
            reason=reason,
        )
