"""The values that describe an object of a project at an upstream. Used by the store, the rules and the pipeline."""

import msgspec

from tidegate.wire.operations.operation import ObjectKind

MAX_ID_LENGTH = 512
"""Characters. OpenAI's ids have less than 200."""


class OwnedPlace(msgspec.Struct, frozen=True):
    """The account of a provider that has an object."""

    provider: str
    credential: str
    """Its name in the configuration; empty where it is not known which of several has the object."""


class ObjectReference(msgspec.Struct, frozen=True):
    """An id that a request names."""

    id: str
    kind: ObjectKind
    param: str
    """Where it stands: a parameter of the path, or keys of the body such as `tools.vector_store_ids`."""


class NewObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object that an upstream made for a project."""

    id: str
    kind: ObjectKind
    place: OwnedPlace
    created_at: float
    """Unix seconds, as the upstream has them."""
    end_user: str | None = None
    document: bytes | None = None
    """Its JSON, where it never changes: that of a file."""


class OwnedObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object on record."""

    id: str
    kind: ObjectKind
    place: OwnedPlace
    created_at: float
    """Unix seconds."""
    end_user: str | None = None
    document: bytes | None = None
    is_forgotten: bool = False
    """Whether its end user was erased: it is to be deleted, and is no longer used."""


class ListPosition(msgspec.Struct, frozen=True, order=True):
    """Where an object stands in the lists of its project."""

    created_at: float
    """Unix seconds; infinite at the ends of a list."""
    seq: int
    """Tells objects of one second apart."""


FIRST_POSITION = ListPosition(float("-inf"), -(2**63))
LAST_POSITION = ListPosition(float("inf"), 2**63 - 1)
