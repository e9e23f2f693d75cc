"""What forgets an end user: each part of the gateway that remembers something of them offers one of these."""

from collections.abc import Mapping
from typing import Protocol


class Eraser(Protocol):
    """Finds and erases what one part remembers of an end user."""

    async def count(self, project: str, end_user: str) -> Mapping[str, int]:
        """How much there is, by what it is. Raises StoreError."""
        ...

    async def erase(self, project: str, end_user: str) -> Mapping[str, int]:
        """Erase it; how much there was. What is erased already stays so when a later step fails. Raises StoreError."""
        ...
