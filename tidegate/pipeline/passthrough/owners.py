"""What a call that passes through needs of those who know the owners of objects at the provider."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from tidegate.core.values import Caller
from tidegate.wire.operations.operation import MatchedOperation


class OwnedPlace(msgspec.Struct, frozen=True):
    """Where an object is: the names of a provider and of one of its credentials."""

    provider: str
    credential: str


FetchPage = Callable[[str], Awaitable[bytes]]
"""Reads another page of a list: a query in, the provider's JSON out. Raises UpstreamError."""


class ObjectOwners(Protocol):
    """Knows which project owns an object."""

    async def check(self, caller: Caller, match: MatchedOperation, values: Mapping[str, Any]) -> OwnedPlace | None:
        """Return where the objects are that the path and the body's `values` name; None where they name none.

        Raises ObjectNotFound where one of them is not the caller's project's, and PostgresUnavailable.
        """
        ...

    async def record(
        self, caller: Caller, match: MatchedOperation, answer: bytes, place: OwnedPlace, end_user: str | None
    ) -> None:
        """Record what a success has made or deleted, before its answer is given out. Raises PostgresUnavailable."""
        ...

    async def own_page(self, caller: Caller, match: MatchedOperation, page: bytes, fetch: FetchPage) -> bytes:
        """Return a page of a list with the caller's project's entries only; `fetch` reads further pages."""
        ...


class UnknownOwners:
    """Knows no owner: every project may use every object. Implements `ObjectOwners`."""

    async def check(self, caller: Caller, match: MatchedOperation, values: Mapping[str, Any]) -> OwnedPlace | None:
        """Return None."""
        del caller, match, values
        return None  # mypy wants it

    async def record(
        self, caller: Caller, match: MatchedOperation, answer: bytes, place: OwnedPlace, end_user: str | None
    ) -> None:
        """Record nothing."""

    async def own_page(self, caller: Caller, match: MatchedOperation, page: bytes, fetch: FetchPage) -> bytes:
        """Return the page as it is."""
        del caller, match, fetch
        return page
