"""The cases: each text at each place, each body and each head, on every route and in every form."""

from collections.abc import Iterator

import msgspec

from tests.faults.callers.choices import BODIES, PLACES, SHARED_MODEL, TEXTS, Place, body_with, whole_body
from tests.faults.callers.heads import HEADS
from tests.faults.cases import case_id, form_name
from tests.faults.speech import PATHS, request
from tidegate.core.endpoints import Endpoint


class CallerCase(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what a hostile caller sends."""

    place: Place | None
    """None: the whole body was chosen, or the head."""
    choice: str
    """The name of the text, the body or the head."""
    route: Endpoint
    stream: bool
    is_head: bool = False
    """Whether the choice is the head's."""

    @property
    def id(self) -> str:
        """Return the case's name."""
        return case_id(self.place_name, self.choice, self.route.label, form_name(stream=self.stream))

    @property
    def place_name(self) -> str:
        """Return the name of the chosen place."""
        if self.place is not None:
            return self.place.name
        return "head" if self.is_head else "body"

    @property
    def body(self) -> bytes:
        """Return the body that is sent."""
        if self.is_head:
            return msgspec.json.encode(
                {**request(self.route, SHARED_MODEL, stream=self.stream), "x_head": f"{self.choice} {self.id}"}
            )
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
    heads = [
        CallerCase(place=None, choice=head, route=route, stream=stream, is_head=True)
        for head in HEADS
        for route, stream in _forms(tuple(PATHS))
    ]
    return texts + bodies + heads


def _forms(routes: tuple[Endpoint, ...]) -> Iterator[tuple[Endpoint, bool]]:
    for route in routes:
        yield route, False
        if route.streams:
            yield route, True
