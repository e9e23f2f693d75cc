"""The dashboard's page and its files, from this package: nothing is loaded from elsewhere. Registered by routes.py."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
from fastapi import Request, Response

from tidegate.core.errors import UnknownRoute

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INDEX = "index.html"
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class PageFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file, as it is sent."""

    content: bytes
    media_type: str
    etag: str


def page_files() -> dict[str, PageFile]:
    """Return the files of the page by their names, those of folders as `FOLDER/NAME`."""
    return dict(_files_in(files(__package__).joinpath("files")))


def _files_in(folder: Traversable, begin: str = "") -> Iterator[tuple[str, PageFile]]:
    for each in folder.iterdir() if folder.is_dir() else ():
        name = begin + each.name
        if each.is_dir():
            yield from _files_in(each, f"{name}/")
        elif (media_type := _media_type(name)) is not None:
            yield name, _page_file(each.read_bytes(), media_type)


class PageHandlers:
    """Gives out the page and its files. They need no session, as they show nothing."""

    def __init__(self, contents: dict[str, PageFile]) -> None:
        self._contents = contents

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return self._answer(request, _INDEX)

    async def file(self, request: Request, name: str) -> Response:
        """Return one of its files. Raises UnknownRoute."""
        return self._answer(request, name)

    def _answer(self, request: Request, name: str) -> Response:
        found = self._contents.get(name)
        if found is None:
            raise UnknownRoute(f"Invalid URL ({request.method} {request.url.path}). The dashboard has no such file.")
        headers = {**_HEADERS, "etag": found.etag}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(found.content, headers=headers, media_type=found.media_type)


def _media_type(name: str) -> str | None:
    return next((kind for ending, kind in _MEDIA_TYPES.items() if name.endswith(ending)), None)


def _page_file(content: bytes, media_type: str) -> PageFile:
    return PageFile(content=content, media_type=media_type, etag=f'"{hashlib.sha256(content).hexdigest()[:16]}"')
