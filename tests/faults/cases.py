"""The cases: every fault on every route and in every form, with each state of our stores and each fallback setup."""

from collections.abc import Iterator
from enum import Enum

import msgspec

from tests.faults.faults import FAULTS, Fault, UpstreamEndpoint
from tidegate.core.endpoints import Endpoint


class StoreState(Enum):
    """The state of Redis and PostgreSQL."""

    WELL = "well"
    REDIS_DOWN = "redis down"
    POSTGRES_DOWN = "postgres down"


class FallbackSetup(Enum):
    """The fallback steps that are configured after the first attempt."""

    NONE = "none"
    RETRY = "once more"
    """The same target works the second time."""
    CREDENTIAL = "credential"
    """Another credential of the same provider works."""
    TARGET = "target"
    """Another target works."""
    STALE = "stale"
    """The same request was answered before, and that answer is stale."""
    CANNED = "canned"
    """A canned reply is configured."""
    OFF = "all off"
    """Credential, target and canned reply are configured, and the caller allows no fallback."""


def case_id(*parts: str) -> str:
    """Return the name of a case, which is a model's name, too: words joined by characters that need no escape."""
    return "-".join(part.replace(" ", "_").replace(",", "") for part in parts)


def form_name(*, stream: bool) -> str:
    """Return the name of an answer's form."""
    return "stream" if stream else "whole"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    fault: Fault
    route: Endpoint
    stream: bool
    stores: StoreState
    fallback: FallbackSetup

    @property
    def id(self) -> str:
        """Return the case's name, which is also the name of the model in its request."""
        return case_id(
            self.fault.name, self.route.label, form_name(stream=self.stream), self.stores.value, self.fallback.value
        )


def cases() -> list[Case]:
    """Return all cases."""
    return [
        Case(fault=fault, route=route, stream=stream, stores=own, fallback=ladder)
        for fault in FAULTS
        for route, stream in _forms(fault)
        for own in StoreState
        for ladder in FallbackSetup
        if _makes_sense(fault, ladder)
    ]


def _forms(fault: Fault) -> Iterator[tuple[Endpoint, bool]]:
    for route in fault.routes:
        for stream in fault.forms:
            if route.streams or not stream:
                yield route, stream


def _makes_sense(fault: Fault, ladder: FallbackSetup) -> bool:
    if ladder is FallbackSetup.NONE:
        return True
    if fault.error is None:
        return False  # nothing fails, so no fallback is used
    return (
        ladder not in (FallbackSetup.RETRY, FallbackSetup.STALE) or fault.endpoint is UpstreamEndpoint.SERVER
    )  # any other endpoint never works
