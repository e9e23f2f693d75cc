"""Maps a request to its endpoint: OpenAI's paths, and Azure's with their deployments."""

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

_ENDINGS = {
    "chat/completions": "chat",
    "completions": "completions",
    "responses": "responses",
    "embeddings": "embeddings",
    "moderations": "moderations",
}
_OPENAI, _AZURE, _DEPLOYMENTS = "/v1/", "/openai/", "/openai/deployments/"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint."""

    route: str
    """`chat`, `completions`, `responses`, `embeddings`, `moderations`, `models` or `unknown`."""
    model: str = ""
    """The model, or the deployment, that the path names; empty for none."""
    azure: bool = False
    """Whether the request is in Azure's form."""
    wrong_method: bool = False
    """Whether the path exists with another method."""


def address(method: str, path: str, query: Mapping[str, str]) -> Address:
    """Return the endpoint of a request; its route is `unknown` where there is none."""
    if not path.startswith(_AZURE):
        return _endpoint(method, path.removeprefix(_OPENAI) if path.startswith(_OPENAI) else "")
    if path.startswith(_DEPLOYMENTS):
        deployment, _, rest = path.removeprefix(_DEPLOYMENTS).partition("/")
        endpoint = _endpoint(method, rest if rest in ("chat/completions", "embeddings") else "")
        return _azure(endpoint, query, model=unquote(deployment))
    if path.startswith("/openai/v1/"):
        return _azure(_endpoint(method, path.removeprefix("/openai/v1/")), {"api-version": "v1", **query})
    rest = path.removeprefix(_AZURE)
    return _azure(_endpoint(method, rest if rest == "responses" or rest.startswith("models") else ""), query)


def _endpoint(method: str, rest: str) -> Address:
    if rest in _ENDINGS:
        return Address(route=_ENDINGS[rest] if method == "POST" else "unknown", wrong_method=method != "POST")
    if (method == "GET" and rest == "models") or (method in ("GET", "DELETE") and rest.startswith("models/")):
        return Address(route="models", model=unquote(rest.removeprefix("models").strip("/")))
    return Address(route="unknown")


def _azure(endpoint: Address, query: Mapping[str, str], *, model: str = "") -> Address:
    # without a version, and for routes that only OpenAI has, Azure knows no such resource
    known = query.get("api-version") and endpoint.route not in ("completions", "moderations")
    route = endpoint.route if known else "unknown"
    return msgspec.structs.replace(endpoint, azure=True, route=route, model=model or endpoint.model)
