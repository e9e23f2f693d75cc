"""The routes below `/dashboard`. Added by assembly/operating/dashboard.py, unless `dashboard.enabled` is false."""

from fastapi import FastAPI

from tidegate.web.dashboard.events import EventHandlers
from tidegate.web.dashboard.page import PageHandlers
from tidegate.web.dashboard.session import SessionHandlers


def add_dashboard_routes(api: FastAPI, *, page: PageHandlers, session: SessionHandlers, events: EventHandlers) -> None:
    """Add the page, its files, the session and the stream of events. They are the page's, and not described."""
    for method, path, handler in (
        ("GET", "/dashboard", page.page),
        ("GET", "/dashboard/files/{name:path}", page.file),
        ("POST", "/dashboard/session", session.log_in),
        ("GET", "/dashboard/session", session.show),
        ("DELETE", "/dashboard/session", session.log_out),
        ("GET", "/dashboard/events", events.stream),
    ):
        api.add_api_route(path, handler, methods=[method], include_in_schema=False, response_model=None)
