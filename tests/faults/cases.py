"""The cases: every fault on every route and in every form, with each state of our own parts."""

from collections.abc import Iterator
from enum import Enum

import msgspec

from tests.faults.faults import FAULTS, Fault
from tidegate.core.values import Route


class Own(Enum):
    """The state of our own parts."""

    WELL = "well"
    REDIS_DOWN = "redis down"
    POSTGRES_DOWN = "postgres down"


class Ladder(Enum):
    """What is configured below the first target."""

    NONE = "none"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    fault: Fault
    route: Route
    stream: bool
    own: Own
    ladder: Ladder

    @property
    def id(self) -> str:
        """Its name, which is also the name of the model that is asked for."""
        form = "stream" if self.stream else "whole"
        parts = (self.fault.name, self.route.label, form, self.own.value, self.ladder.value)
        return "-".join(part.replace(" ", "_") for part in parts)


def cases() -> list[Case]:
    """All of them."""
    return list(_all())


def _all() -> Iterator[Case]:
    for fault in FAULTS:
        for route in fault.routes:
            for stream in fault.forms:
                if stream and not route.streams:
                    continue
                for own in Own:
                    yield Case(fault=fault, route=route, stream=stream, own=own, ladder=Ladder.NONE)
