"""An end user is forgotten everywhere: each part that remembers something erases its own."""

from collections.abc import Sequence

from tidegate.core.erasure import Eraser


class EndUserErasure:
    """Forgets end users. What there is of one may be asked first."""

    def __init__(self, erasers: Sequence[Eraser]) -> None:
        """In the order in which they are to erase."""
        self._erasers = erasers

    async def count(self, project: str, end_user: str) -> dict[str, int]:
        """How much is remembered, by what it is. Raises StoreError."""
        found: dict[str, int] = {}
        for eraser in self._erasers:
            found.update(await eraser.count(project, end_user))
        return found

    async def erase(self, project: str, end_user: str) -> dict[str, int]:
        """Erase all of it; how much that was. Raises StoreError: what is left then is erased by the next try."""
        erased: dict[str, int] = {}
        for eraser in self._erasers:
            erased.update(await eraser.erase(project, end_user))
        return erased
