"""Erases an end user everywhere: each package that stores something about end users erases its own."""

from collections.abc import Sequence

from tidegate.core.erasure import Eraser


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
