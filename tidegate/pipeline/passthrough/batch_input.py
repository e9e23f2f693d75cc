"""Checks the input file of a batch before the batch is made: the upstream runs its lines under no key's rules."""

import asyncio
import contextlib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from tidegate.core import endpoints
from tidegate.core.errors import OperationNotAllowed
from tidegate.core.values import Caller
from tidegate.ownership.batch_lines import BatchFileLines, check_line
from tidegate.ownership.owned_object import OwnedPlace
from tidegate.ownership.owners import ObjectOwners
from tidegate.ownership.references import MAY_NAME, body_references
from tidegate.pipeline.passthrough.object_calls import ObjectCalls
from tidegate.pipeline.passthrough.request import BodyFacts
from tidegate.wire.operations import table

LABEL = "batches.create"
"""The operation whose input is checked."""
_LINES_IN_A_STEP = 200


class BatchInputCheck:
    """Reads the files of batches at the provider, as they stream, and checks each line."""

    def __init__(
        self, owners: ObjectOwners, calls: ObjectCalls, *, operations: Sequence[str], models: frozenset[str]
    ) -> None:
        """`operations` are the patterns of those that callers may use; `models` those of all callers, empty for all."""
        self._owners = owners
        self._calls = calls
        self._operations = operations
        self._models = models

    async def check(self, caller: Caller, facts: BodyFacts, place: OwnedPlace | None) -> None:
        """Check the file that a request for a batch names; `place` has it, if that is known.

        Raises BatchLineRefused, OperationNotAllowed, UpstreamObjectNotFound, ObjectsApart and UpstreamError. A request
        that names no file is left to the upstream.
        """
        file_id, endpoint = facts.values.get("input_file_id"), facts.values.get("endpoint")
        if not isinstance(file_id, str) or not isinstance(endpoint, str):
            return
        self._check_endpoint(endpoint)
        allowed = (self._models, caller.models)
        lines, count = BatchFileLines(), 0
        async with contextlib.aclosing(self._calls.content(file_id, place)) as pieces:
            async for piece in pieces:
                for line in lines.feed(piece) if piece else lines.end():
                    check_line(line, endpoints=(endpoint,), allowed=allowed)
                    if MAY_NAME.search(line.text) is not None:
                        await self._owners.check(caller.project, body_references(line.text))
                    count += 1
                    if not count % _LINES_IN_A_STEP:
                        await asyncio.sleep(0)  # the calls of others go on

    def _check_endpoint(self, endpoint: str) -> None:
        """Refuse an operation that callers may not use. Inference is open to all; the upstream refuses the unknown."""
        match = table.find("POST", endpoint)
        if match is None or endpoint in endpoints.BY_PATH:
            return
        if not any(fnmatchcase(match.operation.label, pattern) for pattern in self._operations):
            raise OperationNotAllowed
