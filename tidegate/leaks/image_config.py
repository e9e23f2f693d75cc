"""Read what an image says of itself: its layers in order, and its environment, labels and history. No I/O."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tidegate.leaks.patterns import Sighting, keys_in, setting, values_in


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is in an image."""

    path: str
    """A file's path, or what it is of the configuration: `environment NAME`, `label NAME`, `history step 3`."""
    part: str = ""
    """The layer's name in the image; empty outside layers."""
    layer: int | None = None
    """The layer's number, from 1."""


class ImageIndex:
    """The order of the layers."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        """`documents` are the JSON documents of the image by their names."""
        self._numbers: dict[str, int] = {}
        for document in map(parsed, documents.values()):
            for layers in _layer_lists(document):
                for number, name in enumerate(layers, 1):
                    self._numbers.setdefault(name, number)
        self.layers = max(self._numbers.values(), default=0)

    def number_of(self, part: str) -> int | None:
        """Return the number of a layer, from 1; None if the part is no layer."""
        return self._numbers.get(part)


def is_config(document: bytes) -> bool:
    """Return whether a document is the configuration of an image."""
    found = parsed(document)
    return isinstance(found, dict) and isinstance(found.get("rootfs"), dict)


def config_sightings(document: bytes) -> Iterator[tuple[Place, Sighting]]:
    """Yield the secrets in the configuration of an image, and their places."""
    found = parsed(document)
    config = _dict(_dict(found).get("config"))
    for entry in _list(config.get("Env")):
        name, _, value = str(entry).partition("=")
        yield from _named(f"environment {name}", name, value)
    for name, value in _dict(config.get("Labels")).items():
        yield from _named(f"label {name}", name, str(value))
    for number, step in enumerate(_list(_dict(found).get("history")), 1):
        for text in _dict(step).values():
            yield from _text(f"history step {number}", str(text))
    for name in ("Cmd", "Entrypoint", "Healthcheck", "OnBuild"):
        yield from _text(f"configuration {name}", _joined(config.get(name)))


def parsed(document: bytes) -> Any:
    """Return a JSON document, or None if it is none."""
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _named(place: str, name: str, value: str) -> Iterator[tuple[Place, Sighting]]:
    if (sighting := setting(name, value)) is not None:
        yield Place(path=place), sighting


def _text(place: str, text: str) -> Iterator[tuple[Place, Sighting]]:
    data = text.encode(errors="replace")
    sightings = list(keys_in(data)) or [sighting for _, sighting in values_in(data)]
    for sighting in dict.fromkeys(sightings):
        yield Place(path=place), sighting


def _layer_lists(document: Any) -> Iterator[list[str]]:
    """Yield the names of an image's layers in order: of Docker's manifest, or of an OCI manifest."""
    for image in _list(document):
        yield [str(name) for name in _list(_dict(image).get("Layers"))]
    digests = [str(_dict(layer).get("digest")) for layer in _list(_dict(document).get("layers"))]
    yield ["blobs/" + digest.replace(":", "/", 1) for digest in digests]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(value: Any) -> str:
    return msgspec.json.encode(value).decode() if value else ""
