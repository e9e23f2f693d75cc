"""Reads and deletes single objects at the provider, for lists, and to forget end users."""

from collections.abc import AsyncGenerator, Mapping
from urllib.parse import quote

from tidegate.core.errors import NoUpstreamKey, UpstreamError, UpstreamNotFound
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

    async def content(self, file_id: str, place: OwnedPlace | None) -> AsyncGenerator[bytes]:
        """Yield a file as it arrives, and nothing at its end: from its account, or from the first one that has it.

        Raises UpstreamError: UpstreamNotFound where no account has it.
        """
        failure: UpstreamError = NoUpstreamKey()
        for credential in self._provider.credentials:
            if place is not None and (place.provider, place.credential) != (self._provider.name, credential.name):
                continue
            path = f"/v1/files/{quote(file_id, safe='')}/content"
            request = OperationRequest(method="GET", path=path, headers={"accept": "*/*"}, body=None)
            exchange = self._provider.operation_exchange(request, credential)
            try:
                await exchange.wait_for_head()
                if not 200 <= exchange.status < 300:
                    failure = await exchange.read_refusal()
                    continue
                while piece := await exchange.read_some():
                    yield piece
                yield b""
                return
            finally:
                exchange.close()
        raise failure

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
