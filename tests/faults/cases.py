"""The cases: every fault on every route and in every form, with each state of our own parts and each kind of ladder."""

from collections.abc import Iterator
from enum import Enum

import msgspec

from tests.faults.faults import FAULTS, Fault, UpstreamEndpoint
from tidegate.core.endpoints import Endpoint


class StoreState(Enum):
    """The state of our own parts."""

    WELL = "well"
    REDIS_DOWN = "redis down"
    POSTGRES_DOWN = "postgres down"


class FallbackSetup(Enum):
    """What there is below the first attempt."""

    NONE = "none"
    RETRY = "once more"
    """The same target is well the second time."""
    CREDENTIAL = "credential"
    """Another credential of the same provider is well."""
    TARGET = "target"
    """Another target is well."""
    STALE = "stale"
    """The same question was answered before, and the answer is no longer fresh."""
    CANNED = "canned"
    """A reply is configured."""
    OFF = "all off"
    """Credential, target and reply are there, and the caller wants none of it."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    fault: Fault
    route: Endpoint
    stream: bool
    stores: StoreState
    fallback: FallbackSetup

    @property
    def id(self) -> str:
        """Its name, which is also the name of the model that is asked for."""
        form = "stream" if self.stream else "whole"
        parts = (self.fault.name, self.route.label, form, self.stores.value, self.fallback.value)
        return "-".join(part.replace(" ", "_") for part in parts)


def cases() -> list[Case]:
    """All of them."""
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
        return False  # nothing fails, so nobody goes down
    return (
        ladder not in (FallbackSetup.RETRY, FallbackSetup.STALE) or fault.endpoint is UpstreamEndpoint.SERVER
    )  # else it is never well
