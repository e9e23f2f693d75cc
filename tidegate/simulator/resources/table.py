"""All operations, and which of them a request names."""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from tidegate.simulator.realtime import secrets as realtime_secrets
from tidegate.simulator.resources.calls import ResourceRoute
from tidegate.simulator.resources.jobs import batches, eval_runs, evals, fine_tuning, graders
from tidegate.simulator.resources.media import images, provenance, speech, transcriptions, videos, voices
from tidegate.simulator.resources.stored import containers, files, skills, uploads, vector_store_files, vector_stores

_MODULES = (
    files,
    uploads,
    batches,
    vector_stores,
    vector_store_files,
    containers,
    skills,
    images,
    provenance,
    speech,
    transcriptions,
    voices,
    videos,
    fine_tuning,
    graders,
    evals,
    eval_runs,
    realtime_secrets,
)


class FoundRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route, and the ids in the path that led to it."""

    route: ResourceRoute
    parameters: Mapping[str, str]


class RouteTable:
    """Finds routes by method and path; a fixed part of a path goes before one that stands for an id."""

    def __init__(self, routes: Iterable[ResourceRoute]) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], ResourceRoute]]] = {}
        for route in routes:
            parts = tuple(route.path.strip("/").split("/"))
            self._by_length.setdefault(len(parts), []).append((parts, route))
        for several in self._by_length.values():
            several.sort(key=lambda one: [part.startswith("{") for part in one[0]])

    def find(self, method: str, path: str) -> FoundRoute | None:
        """Return the route of a request; None where there is none with this method."""
        return next((found for found in self._at(path) if found.route.method == method), None)

    def has_path(self, path: str) -> bool:
        """Return whether the path exists with any method."""
        return bool(self._at(path))

    def _at(self, path: str) -> list[FoundRoute]:
        asked = path.removeprefix("/v1/").split("/")
        if not path.startswith("/v1/") or "" in asked:
            return []
        fitting = []
        for parts, route in self._by_length.get(len(asked), ()):
            pairs = list(zip(parts, asked, strict=True))
            if all(part.startswith("{") or part == own for part, own in pairs):
                parameters = {part[1:-1]: unquote(own) for part, own in pairs if part.startswith("{")}
                fitting.append(FoundRoute(route=route, parameters=parameters))
        return fitting


def every_route() -> tuple[ResourceRoute, ...]:
    """Return all routes."""
    return tuple(route for module in _MODULES for route in module.ROUTES)
