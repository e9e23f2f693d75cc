"""Erases an end user everywhere: each package that stores something about end users erases its own."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Eraser(Protocol):
    """Finds and erases the data of an end user in one part of the gateway."""

    async def count(self, project: str, end_user: str) -> Mapping[str, int]:
        """Return the number of stored objects by their kind. Raises StoreError."""
        ...

    async def erase(self, project: str, end_user: str) -> Mapping[str, int]:
        """Erase them and return their number by kind. A later failure restores nothing. Raises StoreError."""
        ...


class EndUserErasure:
    """Count and erase what is stored about end users."""

    def __init__(self, erasers: Sequence[Eraser]) -> None:
        """`erasers` erase in this order."""
        self._erasers = erasers

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """Return how many records of each kind are stored. Raises StoreError."""
        counts: dict[str, int] = {}
        for eraser in self._erasers:
            counts.update(await eraser.count(project, end_user))
        return counts

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Erase all records; return how many. Raises StoreError: call again to erase the rest."""
        counts: dict[str, int] = {}
        for eraser in self._erasers:
            counts.update(await eraser.erase(project, end_user))
        return counts
