"""`/docs`: a page that renders `/openapi.json`. Its files are in this package, so it loads nothing from elsewhere.

Called by web/api.py. The page is as public as `/openapi.json`: it shows the API and no data.
"""

from importlib.resources import files

from fastapi import FastAPI, Request, Response

_FILES = {
    "/docs": ("index.html", "text/html; charset=utf-8"),
    "/docs/docs.css": ("docs.css", "text/css; charset=utf-8"),
    "/docs/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


def add_docs(api: FastAPI) -> None:
    """Add the page and its files."""
    contents = {path: files(__package__).joinpath(name).read_bytes() for path, (name, _) in _FILES.items()}

    async def get_file(request: Request) -> Response:
        path = request.scope["route"].path
        return Response(contents[path], headers=_HEADERS, media_type=_FILES[path][1])

    for path in _FILES:
        api.add_api_route(path, get_file, methods=["GET"], include_in_schema=False)
