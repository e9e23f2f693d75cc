"""Checks the objects at an upstream that an inference request names: files, vector stores, containers, tuned models.

A usual request names none, and its bytes tell: the search is one call of a compiled pattern.
"""

import contextlib
from collections.abc import Collection, Generator, Mapping
from typing import Any

from tidegate.core.errors import ObjectNotRecorded, StoreError
from tidegate.core.process.heavy_turns import HeavyTurns
from tidegate.core.values import Caller
from tidegate.ownership.answered_containers import MARK, answered_containers
from tidegate.ownership.derived_objects import MadeObject
from tidegate.ownership.id_shapes import is_fine_tuned
from tidegate.ownership.owned_object import ObjectReference, OwnedPlace
from tidegate.ownership.owners import ObjectOwners
from tidegate.ownership.references import MAY_NAME, body_references
from tidegate.pipeline.delivery import ClientResponse
from tidegate.wire import sse
from tidegate.wire.call import is_heavy
from tidegate.wire.operations.operation import ObjectKind

_WITH_CONTAINER = ("code_interpreter", "shell")
_WINDOW_BYTES = 1024 * 1024
_LONGEST_MATCH = 64
"""Bytes by which two windows overlap: what the pattern finds is shorter."""


class NamedObjects:
    """Finds whose the objects are that a request names."""

    def __init__(
        self,
        owners: ObjectOwners,
        heavy_turns: HeavyTurns,
        *,
        configured: Collection[str],
        accounts: Mapping[str, OwnedPlace],
    ) -> None:
        """`configured` are the models that the configuration names: each caller may use those.

        `accounts` has for each provider where it makes objects; the credential is empty where it has several.
        """
        self._accounts = accounts
        self.may_name = MAY_NAME.search
        """Returns something for a body that may name an object."""
        self._owners = owners
        self._heavy_turns = heavy_turns
        self._configured = configured

    async def may_be_named_in_heavy(self, body: bytes, caller: Caller) -> bool:
        """Return whether a large body may name an object: it is searched between the calls of others."""
        return await self._heavy_turns.run(caller.key_id, _search_in_steps(body))

    async def check(self, body: bytes, caller: Caller, *, model: str = "") -> OwnedPlace | None:
        """Return the account that has the objects; None where it does not matter. `model` is that of the address.

        Raises UpstreamObjectNotFound, ObjectsApart, TooManyObjects, BodyNotJson and PostgresUnavailable.
        """
        if is_heavy(body):
            async with self._heavy_turns.turn(caller.key_id, goes_on=True):
                found = body_references(body)
        else:
            found = body_references(body)
        if is_fine_tuned(model):
            found = (*found, ObjectReference(model, ObjectKind.MODEL, "model"))
        wanted = [one for one in found if one.kind is not ObjectKind.MODEL or one.id not in self._configured]
        return await self._owners.check(caller.project, wanted)

    def note_containers(self, response: ClientResponse, project: str, tools: Any) -> None:
        """Have the containers that the tools make recorded for a project, each before the answer names it."""
        if not any(isinstance(tool, dict) and tool.get("type") in _WITH_CONTAINER for tool in tools):
            return
        noted: set[str] = set()

        async def note(event: bytes) -> None:
            if MARK not in event:
                return
            found = set(answered_containers(sse.data_of(event) or event)) - noted
            place = self._accounts.get((await response.head()).served_by.partition("/")[0])
            if not found or place is None:
                return
            noted.update(found)
            # the answer is paid for: it is given out although a container of it may be unusable, which a line tells
            with contextlib.suppress(ObjectNotRecorded, StoreError):
                await self._owners.adopt(
                    project, [MadeObject(one, ObjectKind.CONTAINER) for one in sorted(found)], place
                )

        response.before_giving = note


def _search_in_steps(body: bytes) -> Generator[None, None, bool]:
    for begin in range(0, len(body), _WINDOW_BYTES):
        if MAY_NAME.search(body, max(0, begin - _LONGEST_MATCH), begin + _WINDOW_BYTES) is not None:
            return True
        yield
    return False
