"""What the pipeline knows of the semantic tier. No library of it is imported here: most gateways do not use it."""

from typing import Protocol

import msgspec

from tidegate.cache.semantic.state.answers import FoundAnswer
from tidegate.pipeline.context import FetchedObserver, RequestContext

SemanticHeaders = tuple[tuple[bytes, bytes], ...]


class SemanticFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What the tier found for one call."""

    headers: SemanticHeaders = ()
    """The response headers that tell it."""
    answer: FoundAnswer | None = None
    """The answer to give; None if the model is asked."""
    observer: FetchedObserver | None = None
    """Learns from the model's answer."""


NOTHING_FOUND = SemanticFinding()


class SemanticStep(Protocol):
    """The tier, as the pipeline calls it."""

    def count(self, context: RequestContext) -> None:
        """Count a request that the exact cache, or a call in progress, answers."""
        ...

    async def report_wrong(self, project: str, answer: str, request_id: str | None) -> str | None:
        """Note that an answer was wrong; return the call that got it, None if there is none. Raises a StoreError."""
        ...

    async def consider(self, context: RequestContext) -> SemanticFinding:
        """Return the answer of an earlier question, if it may be given; it is written down before. Never raises."""
        ...
