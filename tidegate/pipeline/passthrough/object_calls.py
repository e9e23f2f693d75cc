"""Reads and deletes single objects at the provider, for lists, and to forget end users."""

from collections.abc import Mapping
from urllib.parse import quote

from tidegate.core.errors import UpstreamNotFound
from tidegate.ownership.object_pages import NOT_READABLE
from tidegate.ownership.owned_object import OwnedObject, OwnedPlace
from tidegate.providers.base import OperationProvider, OperationRequest
from tidegate.wire.operations import table
from tidegate.wire.operations.operation import ObjectKind, Operation


class ObjectCalls:
    """Makes calls about one object with the credential that has it. They are free, and take no model's capacity."""

    def __init__(self, provider: OperationProvider) -> None:
        self._provider = provider

    async def read(self, owned: OwnedObject) -> bytes | None:
        """Return an object's JSON; None where it exists no longer, nothing where its account is not configured.

        Raises UpstreamError.
        """
        return await self._call(_RETRIEVALS.get(owned.kind), owned.id, owned.place)

    async def delete(self, kind: ObjectKind, object_id: str, place: OwnedPlace) -> bool:
        """Delete an object, and return whether it exists no longer. Raises UpstreamError."""
        return await self._call(_DELETIONS.get(kind), object_id, place) != NOT_READABLE

    async def _call(self, operation: Operation | None, object_id: str, place: OwnedPlace) -> bytes | None:
        credential = next((each for each in self._provider.credentials if each.name == place.credential), None)
        if operation is None or credential is None or place.provider != self._provider.name:
            return NOT_READABLE
        (name,) = operation.of
        request = OperationRequest(
            method=operation.method,
            path=operation.path.replace(f"{{{name}}}", quote(object_id, safe="")),
            headers={"accept": "application/json"},
            body=None,
        )
        exchange = self._provider.operation_exchange(request, credential)
        try:
            await exchange.wait_for_head()
            if 200 <= exchange.status < 300:
                return await exchange.read_all()
            raise await exchange.read_refusal()
        except UpstreamNotFound:
            return None
        finally:
            exchange.close()


def _by_kind(method: str, *, deletes: bool) -> Mapping[ObjectKind, Operation]:
    """Return the operations whose path ends with the id of an object, by its kind."""
    return {
        next(iter(operation.of.values())): operation
        for operation in table.ALL
        if operation.method == method
        and len(operation.of) == 1
        and operation.path.endswith(f"{{{next(iter(operation.of))}}}")
        and (operation.deletes is not None) is deletes
    }


_RETRIEVALS = _by_kind("GET", deletes=False)
_DELETIONS = _by_kind("DELETE", deletes=True)
