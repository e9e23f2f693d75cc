"""Other addresses of the same routes: Azure's, which are served, and mistyped ones, which are named in the error.

Called by asgi.py for each request, and by api.py for unknown addresses.
"""

import re
from collections.abc import Callable

from tidegate.core import endpoints

_AZURE = "/openai/"
_DEPLOYMENTS = "deployments/"
_V1 = "/v1"
_SLASHES = re.compile(r"/{2,}")


def to_openai(path: str) -> tuple[str, str]:
    """Return OpenAI's path instead of Azure's, and the model that Azure's path names; "" if it names none.

    The cases are `/openai/deployments/NAME/…`, `/openai/v1/…` and `/openai/…`.
    """
    if not path.startswith(_AZURE):
        return path, ""
    rest = path.removeprefix(_AZURE).removeprefix("v1/")
    if not rest.startswith(_DEPLOYMENTS):
        return f"{_V1}/{rest}", ""
    name, path = _split(rest.removeprefix(_DEPLOYMENTS))
    return path, name


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
