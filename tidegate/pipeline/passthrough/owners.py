"""What a call that passes through needs of those who know the owners of objects at the provider."""

from collections.abc import Mapping
from typing import Any, Protocol

from tidegate.core.values import Caller
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.wire.operations.operation import MatchedOperation


class OperationOwners(Protocol):
    """Knows which project owns an object."""

    async def check(self, caller: Caller, match: MatchedOperation, values: Mapping[str, Any]) -> OwnedPlace | None:
        """Return where the objects are that the path and the body's `values` name; None where it does not matter.

        Raises UpstreamObjectNotFound where one of them is not the caller's project's, and PostgresUnavailable.
        """
        ...

    async def list_page(self, caller: Caller, match: MatchedOperation, query: str) -> bytes | None:
        """Return the answer to a list of objects from what is on record; None where the provider is to answer.

        Raises InvalidParameter and PostgresUnavailable.
        """
        ...

    async def record(
        self, caller: Caller, match: MatchedOperation, answer: bytes, place: OwnedPlace, end_user: str | None
    ) -> None:
        """Record what a success has made or deleted, before its answer is given out. Raises ObjectNotRecorded."""
        ...


class AllOwners:
    """Lets every project use every object. Implements `OperationOwners`."""

    async def check(self, caller: Caller, match: MatchedOperation, values: Mapping[str, Any]) -> OwnedPlace | None:
        """Return None."""
        del caller, match, values
        return None

    async def list_page(self, caller: Caller, match: MatchedOperation, query: str) -> bytes | None:
        """Return None."""
        del caller, match, query
        return None

    async def record(
        self, caller: Caller, match: MatchedOperation, answer: bytes, place: OwnedPlace, end_user: str | None
    ) -> None:
        """Record nothing."""
