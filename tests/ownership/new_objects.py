"""Makes objects for the tests of ownership."""

from tidegate.core.clock import ManualClock
from tidegate.ownership.owned_object import NewObject, OwnedPlace
from tidegate.wire.operations.operation import ObjectKind

HERE = OwnedPlace("openai", "default")
THERE = OwnedPlace("openai", "second")
NOW = ManualClock().now()


def new(
    object_id: str,
    kind: ObjectKind = ObjectKind.FILE,
    *,
    at: float = NOW,
    place: OwnedPlace = HERE,
    end_user: str | None = None,
    document: bytes | None = None,
) -> NewObject:
    """Return a new object."""
    return NewObject(id=object_id, kind=kind, place=place, created_at=at, end_user=end_user, document=document)
