"""Logs: one JSON line an event, as the clouds read them; key material removed on the way out."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from tidegate.core.scrub import scrub_value


def configure(level: str) -> None:
    """Send structlog's and the standard library's events to standard error, from `level` up."""
    number = getattr(logging, level.upper())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _severity,
        structlog.processors.format_exc_info,
        _scrubbed,
    ]
    renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, *shared, _message, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,  # standard error may be another one by the next event
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _message, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def _severity(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["severity"] = event.pop("level", "info").upper()
    return event


def _scrubbed(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: scrub_value(value) for key, value in event.items() if key[0] != "_"} | {
        key: value for key, value in event.items() if key[0] == "_"
    }


def _message(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["message"] = event.pop("event", "")
    return event
