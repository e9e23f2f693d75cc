"""Other addresses of the same routes: Azure's, which are served, and mistyped ones, which are named in the error.

Called by asgi.py for each request, and by api.py for unknown addresses.
"""

import re
from collections.abc import Callable, MutableMapping
from typing import Any

from tidegate.core import endpoints

Scope = MutableMapping[str, Any]

MODEL = "tidegate.model"
"""The scope's key for the model that the address names."""

_AZURE = "/openai/"
_DEPLOYMENTS = "deployments/"
_V1 = "/v1"
_SLASHES = re.compile(r"/{2,}")


def to_openai(scope: Scope) -> Scope:
    """Return the scope with OpenAI's path instead of Azure's, and with the model that Azure's path names.

    The cases are `/openai/deployments/NAME/…`, `/openai/v1/…` and `/openai/…`.
    """
    path: str = scope["path"]
    if not path.startswith(_AZURE):
        return scope
    rest = path.removeprefix(_AZURE).removeprefix("v1/")
    if not rest.startswith(_DEPLOYMENTS):
        return {**scope, "path": f"{_V1}/{rest}"}
    name, path = _split(rest.removeprefix(_DEPLOYMENTS))
    return {**scope, "path": path, MODEL: name}


def _split(rest: str) -> tuple[str, str]:
    """Return the deployment's name and the path; a name may have slashes, as clients do not always escape it."""
    for path in endpoints.BY_PATH:
        if rest.endswith(path.removeprefix(_V1)):
            return rest[: -len(path.removeprefix(_V1))], path
    name, _, path = rest.partition("/")
    return name, f"{_V1}/{path}"


def likely_path(path: str, is_known: Callable[[str], bool]) -> str | None:
    """Return the path that was probably meant by an unknown one, if there is one.

    The mistakes are slashes too many, and a base URL without `/v1` or with two of it.
    """
    plain = "/" + _SLASHES.sub("/", path).strip("/")
    rest = plain
    while rest.startswith(_V1 + "/"):
        rest = rest.removeprefix(_V1)
    return next((one for one in (plain, _V1 + rest) if one != path and is_known(one)), None)
