"""The interface of each part of the gateway that stores data of end users, for erasing it."""

from collections.abc import Mapping
from typing import Protocol


class Eraser(Protocol):
    """Finds and erases the data of an end user in one part of the gateway."""

    async def count(self, project: str, end_user: str) -> Mapping[str, int]:
        """Return the number of stored objects by their kind. Raises StoreError."""
        ...

    async def erase(self, project: str, end_user: str) -> Mapping[str, int]:
        """Erase them and return their number by kind. A later failure restores nothing. Raises StoreError."""
        ...
