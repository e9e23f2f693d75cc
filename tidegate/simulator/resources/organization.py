"""What one organisation stores. Each upstream key is an organisation of its own, bounded in objects and in bytes."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.refusal import Refusal, invalid

MOST_OBJECTS = 250_000
MOST_BYTES = 4 * 1024**3
_MOST_ORGANIZATIONS = 1000
_OBJECT_BYTES = 1024
"""Bytes that an object without content counts as."""


class Record(msgspec.Struct, kw_only=True, eq=False):
    """An object, with what its answers do not show."""

    id: str
    body: Json
    content: bytes | memoryview = b""
    content_type: str = "application/octet-stream"
    begun: float = 0.0
    """When its job began, in Unix seconds."""
    seconds: float = 0.0
    """The time that its job takes."""
    stopped: float | None = None
    """When the job was cancelled or paused."""
    work: Any = None
    """What its job needs."""

    def share(self, now: float) -> float:
        """Return how much of its job is done, from 0 to 1; it stands still once it is stopped."""
        passed = (now if self.stopped is None else self.stopped) - self.begun
        return 1.0 if passed >= self.seconds else max(0.0, passed / self.seconds)

    def size(self) -> int:
        """Return the bytes that it counts as."""
        return _OBJECT_BYTES + memoryview(self.content).nbytes


class Collection:
    """Objects of one kind in the order in which they were made."""

    def __init__(self, organization: "Organization") -> None:
        self._organization = organization
        self._records: dict[str, Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def add(self, record: Record) -> Record:
        """Store an object, in the place of one with the same id. Raises Refusal when the organisation is full."""
        self.remove(record.id)
        self._organization.take(record.size())
        self._records[record.id] = record
        return record

    def find(self, object_id: str) -> Record | None:
        """Return the object, if there is one."""
        return self._records.get(object_id)

    def remove(self, object_id: str) -> Record | None:
        """Remove the object, and return it."""
        record = self._records.pop(object_id, None)
        if record is not None:
            self._organization.release(record.size())
        return record

    def newest_first(self) -> list[Record]:
        """Return all objects."""
        return list(reversed(self._records.values()))

    def oldest_first(self) -> list[Record]:
        """Return all objects."""
        return list(self._records.values())


class OwedCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What a job cost, outside of any request."""

    route: str
    model: str
    usage: TokenUsage


class Organization:
    """All objects, by their kind and, for those that belong to an object, by that one's id."""

    def __init__(self, *, most_objects: int = MOST_OBJECTS, most_bytes: int = MOST_BYTES) -> None:
        self._collections: dict[tuple[str, str], Collection] = {}
        self.running: dict[str, Record] = {}
        """The jobs that cost something and have not ended, by their ids."""
        self.owed: list[OwedCharge] = []
        """What its jobs cost that is not on the bill yet."""
        self._objects = 0
        self._bytes = 0
        self._most_objects = most_objects
        self._most_bytes = most_bytes

    def collection(self, kind: str, parent: str = "") -> Collection:
        """Return the objects of a kind, or those of them that belong to `parent`."""
        found = self._collections.get((kind, parent))
        if found is None:
            found = self._collections[kind, parent] = Collection(self)
        return found

    def drop(self, parent: str) -> None:
        """Remove all that belongs to an object."""
        for key in [key for key in self._collections if key[1] == parent]:
            for record in self._collections.pop(key):
                self.release(record.size())

    def take(self, size: int) -> None:
        """Count an object. Raises Refusal when it is one too many, or its bytes are too many."""
        if self._objects + 1 > self._most_objects or self._bytes + size > self._most_bytes:
            raise invalid(
                "You have exceeded your file storage quota. Delete old files and try again.",
                code="storage_quota_exceeded",
            )
        self._objects += 1
        self._bytes += size

    def release(self, size: int) -> None:
        """Count an object no longer."""
        self._objects -= 1
        self._bytes -= size


class Organizations:
    """The organisations of the keys that were seen; the one unused for longest is forgotten first."""

    def __init__(self) -> None:
        self._by_key: dict[str, Organization] = {}

    def __iter__(self) -> Iterator[tuple[str, Organization]]:
        return iter(list(self._by_key.items()))

    def of_key(self, key: str) -> Organization:
        """Return a key's organisation."""
        found = self._by_key.pop(key, None) or Organization()
        self._by_key[key] = found
        if len(self._by_key) > _MOST_ORGANIZATIONS:
            del self._by_key[next(iter(self._by_key))]
        return found


def no_such(kind: str, object_id: str, param: str = "id") -> Refusal:
    """Return the refusal of a file's or an upload's id that names nothing."""
    return Refusal(404, f"No such {kind} object: {object_id}", param=param)
