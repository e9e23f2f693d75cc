"""What the owners of objects at the provider allow a call that passes through, and what it makes known to them."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

from tidegate.core.values import Caller
from tidegate.ownership.derived_objects import derived_objects, made_object
from tidegate.ownership.id_shapes import kind_of_shape
from tidegate.ownership.listing import list_query
from tidegate.ownership.object_pages import ObjectPages
from tidegate.ownership.owned_object import ObjectReference, OwnedObject, OwnedPlace
from tidegate.ownership.owners import ObjectOwners
from tidegate.ownership.references import body_references, bounded, field_references, path_references
from tidegate.pipeline.passthrough import batch_input
from tidegate.pipeline.passthrough.object_calls import ObjectCalls
from tidegate.pipeline.passthrough.request import BodyFacts
from tidegate.wire.operations.operation import MatchedOperation
from tidegate.wire.operations.table import UNKNOWN_LABEL

_POSITIONS = ("after", "before")
"""Parameters of a query that name a position in a list: of the project's own objects, or of the parts of one."""


class OperationOwners:
    """Knows which project owns an object that an operation names, makes, lists or deletes."""

    def __init__(
        self, owners: ObjectOwners, pages: ObjectPages, calls: ObjectCalls, batches: batch_input.BatchInputCheck
    ) -> None:
        """`calls` read the objects of lists at the provider, and `batches` check what a batch is to run."""
        self._batch_input = batches
        self._owners = owners
        self._pages = pages
        self._calls = calls

    async def check(self, caller: Caller, match: MatchedOperation, query: str, facts: BodyFacts) -> OwnedPlace | None:
        """Return where the objects are that path, query and body name; None where it does not matter.

        Raises UpstreamObjectNotFound where one of them is not the caller's project's, ObjectsApart, TooManyObjects,
        BodyNotJson, BatchLineRefused and PostgresUnavailable.
        """
        place = await self._owners.check(caller.project, bounded(_references(match, query, facts)))
        if match.operation.label == batch_input.LABEL:
            await self._batch_input.check(caller, facts, place)
        return place

    async def list_page(self, caller: Caller, match: MatchedOperation, query: str) -> bytes | None:
        """Return the answer to a list of objects from what is on record; None for a list of something else.

        Raises InvalidParameter, UpstreamObjectNotFound, UpstreamError and PostgresUnavailable.
        """
        kind = match.operation.lists
        if kind is None:
            return None

        async def read(owned: OwnedObject) -> bytes | None:
            document = await self._calls.read(owned)
            if document:
                await self._owners.adopt(caller.project, list(derived_objects(document)), owned.place)
            return document

        wanted = list_query(kind, parse_qsl(query, keep_blank_values=True))
        return await self._pages.answer(caller.project, wanted, read)

    async def record(
        self, caller: Caller, match: MatchedOperation, answer: bytes, place: OwnedPlace, end_user: str | None
    ) -> None:
        """Record what a success has made or deleted, before its answer is given out. Raises ObjectNotRecorded."""
        operation, project = match.operation, caller.project
        if operation.makes is not None:
            made = made_object(answer, operation.makes, operation.made_at)
            if made is not None:
                await self._owners.record(project, [made], place, end_user=end_user)
        if operation.deletes is not None:
            for name, kind in operation.of.items():
                if kind is operation.deletes:
                    await self._owners.mark_gone(project, match.parameters[name])
        elif operation.of or operation.makes is not None:
            await self._owners.adopt(project, list(derived_objects(answer)), place)


def _references(match: MatchedOperation, query: str, facts: BodyFacts) -> Iterator[ObjectReference]:
    yield from path_references(match)
    if match.operation.label == UNKNOWN_LABEL:
        yield from _shapes_in(match.operation.path)
    if query:
        parameters = parse_qsl(query, keep_blank_values=True)
        yield from field_references(pair for pair in parameters if pair[0] not in _POSITIONS)
    yield from field_references(facts.fields)
    yield from body_references(facts.document)


def _shapes_in(path: str) -> Iterator[ObjectReference]:
    """Yield what the path of an unknown operation names: no table tells which segments are ids."""
    for segment in path.split("/"):
        if (kind := kind_of_shape(segment)) is not None:
            yield ObjectReference(segment, kind, "path")
