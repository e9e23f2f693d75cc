"""Finds the containers that a model's tools made while it answered. Pure.

Only output items are read: an answer also repeats what its caller wrote, such as metadata.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from tidegate.ownership.id_shapes import kind_of_shape
from tidegate.wire.operations.operation import ObjectKind

MARK = b"cntr_"
"""Stands in each event or body that names a container."""


def answered_containers(text: bytes) -> Iterator[str]:
    """Yield the ids of containers in a Response, or in an event's data, as JSON."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    response = document.get("response")
    outputs = [document.get("output"), response.get("output") if isinstance(response, dict) else None]
    items = [document.get("item"), *(item for output in outputs if isinstance(output, list) for item in output)]
    for item in items:
        if isinstance(item, dict):
            yield from _of_item(item)


def _of_item(item: dict[str, Any]) -> Iterator[str]:
    environment = item.get("environment")
    holders = [item, environment] if isinstance(environment, dict) else [item]
    for holder in holders:
        container = holder.get("container_id")
        if isinstance(container, str) and kind_of_shape(container) is ObjectKind.CONTAINER:
            yield container
