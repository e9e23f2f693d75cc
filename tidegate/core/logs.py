"""Logs: one JSON line for each event, as cloud log services expect; key material is removed."""

import contextlib
import json
import logging
import math
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from types import TracebackType
from typing import Any

import structlog

from tidegate.core.process.line_writer import LineWriter, write_to_standard_error
from tidegate.core.scrub import scrub_value

_REPEAT_SECONDS = 1.0
_MAX_REMEMBERED = 1000
_ERROR_LEVELS = ("error", "exception", "critical")
ErrorListener = Callable[[BaseException], None]


class _StandardError:
    """The current standard error; if it fails, log lines are lost, but calls continue."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):  # a full disk, a reader that left, a closed file
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class _Lines:
    """Standard error by way of a thread that writes its lines."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        self._writer.add(text.encode(errors="backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes within a moment."""


class _RepeatFilter(logging.Filter):
    """Passes an event of a library once a second: clients that send no HTTP could fill the disk with them."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        if record.created - self._passed_at.get(key, -math.inf) < _REPEAT_SECONDS:
            return False
        if len(self._passed_at) >= _MAX_REMEMBERED:
            self._passed_at.clear()
        self._passed_at[key] = record.created
        return True


def configure(level: str, writer: LineWriter | None = None) -> None:
    """Send structlog's and the standard library's events to standard error, from `level` up.

    With `writer` its thread writes them; otherwise each is written at once.
    """
    number = getattr(logging, level.upper())
    output = _StandardError() if writer is None else _Lines(writer)
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _severity,
        structlog.processors.format_exc_info,
        _scrub_values,
    ]
    renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, *shared, _message, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # one write for each line: other threads and workers write to the same place
        logger_factory=lambda *_: structlog.WriteLogger(output),  # type: ignore[arg-type]  # the only methods of a file that it needs
        cache_logger_on_first_use=False,  # tests capture what is logged
    )
    handler = logging.StreamHandler(output)
    handler.addFilter(_RepeatFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _message, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


@contextlib.contextmanager
def written_by_a_thread(level: str, write: Callable[[bytes], None] = write_to_standard_error) -> Iterator[LineWriter]:
    """Let a thread write the lines meanwhile: standard error may block, and an event loop must not wait for it.

    At the end, also at that of an exception, what waits is written, and lines are written at once again.
    """
    writer = LineWriter(write, note=_dropped)
    writer.start()
    configure(level, writer)
    try:
        yield writer
    finally:
        writer.close()
        configure(level)


def _dropped(lines: int) -> bytes:
    event = {"dropped": lines, "severity": "WARNING", "message": "log lines were dropped: standard error took none"}
    return json.dumps(event).encode() + b"\n"


def listen_to_errors(listener: ErrorListener) -> Callable[[], None]:
    """Call `listener` with each exception that is logged as an error from now on; return what ends that.

    `listener` must neither fail nor wait.
    """

    def note(_: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        error = _error_of(event.get("exc_info")) if level in _ERROR_LEVELS else None
        if error is not None:
            listener(error)
        return event

    handler = _ErrorHandler(listener)
    processors: list[structlog.types.Processor] = structlog.get_config()["processors"]
    processors.insert(0, note)
    logging.getLogger().addHandler(handler)

    def end() -> None:
        logging.getLogger().removeHandler(handler)
        with contextlib.suppress(ValueError):  # the log was configured anew
            processors.remove(note)

    return end


class _ErrorHandler(logging.Handler):
    """Hands over the exceptions that libraries log."""

    def __init__(self, listener: ErrorListener) -> None:
        super().__init__(logging.ERROR)
        self._listener = listener

    def emit(self, record: logging.LogRecord) -> None:
        error = _error_of(record.exc_info)
        if error is not None:
            self._listener(error)


def _error_of(exc_info: Any) -> BaseException | None:
    """Return the exception of what the libraries take for one: itself, a triple, or True for the current one."""
    error = sys.exc_info()[1] if exc_info is True else exc_info[1] if isinstance(exc_info, tuple) else exc_info
    return error if isinstance(error, BaseException) else None


def log_uncaught() -> None:
    """Send warnings, and the exceptions that nothing catches, to the log: Python would print the keys in them, too."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda failed: _log_uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    """Log what nothing caught. The end of the process by a signal or by its own wish is none of it."""
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    structlog.get_logger("process").critical("uncaught exception", exc_info=(kind, error, traceback))


def _severity(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["severity"] = event.pop("level", "info").upper()
    return event


def _scrub_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: scrub_value(value) for key, value in event.items() if key[0] != "_"} | {
        key: value for key, value in event.items() if key[0] == "_"
    }


def _message(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["message"] = event.pop("event", "")
    return event
