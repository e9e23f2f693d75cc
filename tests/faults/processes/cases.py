"""The cases: each way in which a process ends, at each moment of a call, on every route, with all stores or without."""

from collections.abc import Iterator
from enum import Enum

import msgspec

from tests.faults.cases import StoreState, case_id, form_name
from tests.faults.speech import PATHS
from tidegate.core.endpoints import Endpoint


class Ending(Enum):
    """How the process ends."""

    TERMINATED = "SIGTERM"
    """The upstream answers within the grace."""
    OUT_OF_GRACE = "SIGTERM, and the grace ends"
    """The upstream does not answer within the grace."""
    TWICE = "two SIGTERMs"
    """The second one ends the grace at once."""
    KILLED = "SIGKILL"


class CallMoment(Enum):
    """How far a call is when the process is told to end."""

    NOT_CONNECTED = "not connected"
    """It comes on a new connection, after the signal."""
    IDLE_CONNECTION = "idle connection"
    """It comes after the signal, on a connection that was used before."""
    HALF_A_HEAD = "half a head"
    """Half of its headers had arrived."""
    HALF_A_BODY = "half a body"
    """Half of its body had arrived."""
    SENT_UPSTREAM = "sent upstream"
    """The upstream has it and has sent nothing."""
    HEADERS = "headers"
    """The upstream has sent headers."""
    MIDDLE = "mid-stream"
    """The upstream has sent the first word, or half of the body."""
    END = "before the end"
    """The upstream has sent all but the last event, or all but the last byte."""
    JOINED = "joined"
    """An identical call is mid-stream, and this one waits for its answer."""


COMES_LATER = frozenset(
    {CallMoment.NOT_CONNECTED, CallMoment.IDLE_CONNECTION, CallMoment.HALF_A_HEAD, CallMoment.HALF_A_BODY}
)
"""The moments of calls that arrive in full only after the signal."""
HAS_BEGUN = frozenset({CallMoment.MIDDLE, CallMoment.END, CallMoment.JOINED})
"""The moments at which a stream has begun to reach its caller."""


class ProcessCase(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    ending: Ending
    stores: StoreState
    moment: CallMoment
    route: Endpoint
    stream: bool

    @property
    def id(self) -> str:
        """Return the case's name, which is also the name of the model in its request."""
        form = form_name(stream=self.stream)
        return case_id(self.ending.value, self.stores.value, self.moment.value, self.route.label, form)


def process_cases() -> list[ProcessCase]:
    """Return all cases."""
    return [
        ProcessCase(ending=ending, stores=stores, moment=moment, route=route, stream=stream)
        for ending in Ending
        for stores in StoreState
        for moment in CallMoment
        if ending is not Ending.KILLED or moment not in COMES_LATER  # no process is left to take them
        for route, stream in _all_forms()
    ]


def _all_forms() -> Iterator[tuple[Endpoint, bool]]:
    for route in PATHS:
        yield route, False
        if route.streams:
            yield route, True
