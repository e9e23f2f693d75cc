"""The cases: each text at each place and each body, on every route and in every form."""

from collections.abc import Iterator

import msgspec

from tests.faults.callers.choices import BODIES, PLACES, TEXTS, Place, body_with, whole_body
from tests.faults.cases import case_id, form_name
from tests.faults.speech import PATHS
from tidegate.core.endpoints import Endpoint


class CallerCase(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what a hostile caller sends."""

    place: Place | None
    """None: the whole body was chosen."""
    choice: str
    """The name of the text or of the body."""
    route: Endpoint
    stream: bool

    @property
    def id(self) -> str:
        """Return the case's name."""
        place = "body" if self.place is None else self.place.name
        return case_id(place, self.choice, self.route.label, form_name(stream=self.stream))

    @property
    def body(self) -> bytes:
        """Return the body that is sent."""
        if self.place is None:
            return whole_body(self.choice, stream=self.stream)
        return body_with(self.place, self.choice, self.route, stream=self.stream)


def caller_cases() -> list[CallerCase]:
    """Return all cases."""
    texts = [
        CallerCase(place=place, choice=text, route=route, stream=stream)
        for place in PLACES
        for text in TEXTS
        for route, stream in _forms(place.routes)
    ]
    bodies = [
        CallerCase(place=None, choice=body, route=route, stream=stream)
        for body in BODIES
        for route, stream in _forms(tuple(PATHS))
    ]
    return texts + bodies


def _forms(routes: tuple[Endpoint, ...]) -> Iterator[tuple[Endpoint, bool]]:
    for route in routes:
        yield route, False
        if route.streams:
            yield route, True
