"""Errors that tests plant into a platform's file."""

from typing import Any

GONE = object()
"""Stands for: leave it out."""


def put(resource: Any, path: tuple[Any, ...], value: Any) -> None:
    """Set or remove the value at a path of keys and indexes."""
    for name in path[:-1]:
        resource = resource[name]
    if value is GONE:
        del resource[path[-1]]
    else:
        resource[path[-1]] = value


def put_variable(variables: list[dict[str, Any]], name: str, value: str | None) -> None:
    """Set or remove a variable of a list with `name` and `value`."""
    variables[:] = [one for one in variables if one["name"] != name]
    if value is not None:
        variables.append({"name": name, "value": value})
