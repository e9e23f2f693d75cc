"""A log line is one JSON object without key material, from any logger."""

import errno
import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tidegate.core import logs
from tidegate.core.scrub import REDACTED

KEY = "sk-proj-Ab3dEf9hIjKlMnOpQrStUvWxYz"
CAPTURED = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging is the whole process's; the other tests find it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # pytest's own: `configure` would close them
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(captured: CAPTURED) -> list[dict[str, Any]]:
    """What was written, each line a JSON object; nothing goes to standard output."""
    out, err = captured.readouterr()
    assert out == ""
    assert KEY not in err
    assert "Ab3dEf" not in err
    return [json.loads(line) for line in err.splitlines()]


def test_a_line_says_when_how_bad_and_what(capsys: CAPTURED) -> None:
    logs.configure("info")
    structlog.get_logger("test").warning("the tide is late", minutes=7, harbour="Hull")
    [line] = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line == {"message": "the tide is late", "severity": "WARNING", "minutes": 7, "harbour": "Hull"}


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_written(level: str, heard: int, capsys: CAPTURED) -> None:
    logs.configure(level)
    log = structlog.get_logger("test")
    for say in (log.debug, log.info, log.warning, log.error):
        say("x")
    assert len(lines(capsys)) == heard


@pytest.mark.parametrize("logger", ["ours", "a library's"])
def test_a_line_is_one_write_so_that_those_of_several_processes_do_not_mix(
    logger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[str] = []

    class Unbuffered(io.StringIO):
        """Standard error as PYTHONUNBUFFERED makes it."""

        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    logs.configure("info")
    monkeypatch.setattr(sys, "stderr", Unbuffered())
    if logger == "ours":
        structlog.get_logger("a").warning("something", number=1)
    else:
        logging.getLogger("a").warning("something")
    [line] = writes
    assert line.endswith("}\n")


def test_other_libraries_are_heard_from_warning_up_in_the_same_form(capsys: CAPTURED) -> None:
    logs.configure("debug")
    other = logging.getLogger("some.library")
    other.info("chatter")
    other.warning("the %s is %s", "tide", "late")
    [line] = lines(capsys)
    assert (line["message"], line["severity"], line["logger"]) == ("the tide is late", "WARNING", "some.library")
    assert not any(name.startswith("_") for name in line)


def test_key_material_is_removed_from_every_part_of_a_line(capsys: CAPTURED) -> None:
    logs.configure("info")
    structlog.get_logger("test").error(
        f"refused {KEY}",
        text=f"Bearer {KEY}",
        nested={"a": [{"b": KEY}], KEY: 1},
        pair=(KEY, 1),
        error=ValueError(KEY),
        raw=KEY.encode(),
        url=f"https://u:{KEY}@h/",
    )
    [line] = lines(capsys)
    assert line["message"] == f"refused {REDACTED}"
    assert line["nested"] == {"a": [{"b": REDACTED}], REDACTED: 1}


def fail() -> None:
    raise RuntimeError(f"outer {KEY}") from ValueError(f"inner {KEY}")


def test_key_material_is_removed_from_tracebacks(capsys: CAPTURED) -> None:
    logs.configure("info")
    try:
        fail()
    except RuntimeError:
        structlog.get_logger("test").exception("it failed")
        logging.getLogger("some.library").exception("it failed there")
    ours, theirs = lines(capsys)
    for line in (ours, theirs):
        assert f"ValueError: inner {REDACTED}" in line["exception"]
        assert f"RuntimeError: outer {REDACTED}" in line["exception"]


@pytest.mark.parametrize(
    "say",
    [
        lambda log: log.warning("refused %s", KEY),
        lambda log: log.warning(KEY),
        lambda log: log.warning("%(key)s", {"key": KEY}),
        lambda log: log.error("x %r", {"headers": {"Authorization": f"Bearer {KEY}"}}),
        lambda log: log.error("x", stack_info=True, extra={"key": KEY}),
        lambda log: log.error("x", exc_info=ValueError(KEY)),
    ],
)
def test_key_material_is_removed_from_what_other_libraries_say(say: Any, capsys: CAPTURED) -> None:
    logs.configure("info")
    say(logging.getLogger("some.library"))
    assert len(lines(capsys)) == 1


def test_a_value_that_is_no_json_is_written_as_text(capsys: CAPTURED) -> None:
    logs.configure("info")
    structlog.get_logger("test").info("x", odd=object, half="\ud83d", many={1, 2}, key={(1, 2): 3})
    [line] = lines(capsys)
    assert line["odd"] == "<class 'object'>"
    assert line["key"] == {"(1, 2)": 3}


def test_what_is_bound_to_the_request_is_on_its_lines(capsys: CAPTURED) -> None:
    logs.configure("info")
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        structlog.get_logger("test").info("x")
    structlog.get_logger("test").info("y")
    first, second = lines(capsys)
    assert first["request_id"] == "req_1"
    assert "request_id" not in second


class Full(io.StringIO):
    """A file on a disk without room."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure("info")
    monkeypatch.setattr(sys, "stderr", Full())
    structlog.get_logger("x").warning("unheard")
    logging.getLogger("y").warning("unheard, too")


def test_what_a_library_says_again_and_again_is_written_once_a_second(capsys: CAPTURED) -> None:
    logs.configure("info")
    library = logging.getLogger("uvicorn.error")
    for hundredths in range(250):
        record = library.makeRecord(library.name, logging.WARNING, "", 0, "Invalid HTTP request received.", (), None)
        record.created = 1_790_000_000 + hundredths / 100
        library.handle(record)
    library.warning("Another one.")
    assert [line["message"] for line in lines(capsys)] == [*["Invalid HTTP request received."] * 3, "Another one."]


@pytest.mark.parametrize("where", ["sys.exit(work())", "threading.Thread(target=work).start()"])
def test_what_nothing_catches_is_one_line_without_the_key(where: str) -> None:
    code = f"""
import sys, threading
from tidegate.core import logs
logs.configure("error")
logs.log_uncaught()
def work():
    raise ValueError("cannot use {KEY}")
{where}
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    (line,) = ended.stderr.splitlines()
    assert KEY not in line
    logged = json.loads(line)
    assert (logged["severity"], logged["message"]) == ("CRITICAL", "uncaught exception")
    assert REDACTED in logged["exception"]


def test_a_listener_gets_the_exceptions_that_are_logged_as_errors() -> None:
    logs.configure("info")
    heard: list[str] = []
    end = logs.listen_to_errors(lambda error: heard.append(repr(error.args[0])))
    log, library = structlog.get_logger("test"), logging.getLogger("asyncio")
    try:
        int("raised")
    except ValueError:
        log.exception("it failed")
        library.exception("it failed")
    log.error("it failed", exc_info=KeyError("given"))
    log.error("it failed", exc_info=(KeyError, KeyError("triple"), None))
    log.critical("it failed", exc_info=KeyError("critical"))
    log.warning("it failed", exc_info=KeyError("a warning"))
    log.error("without an exception")
    library.warning("it failed", exc_info=KeyError("a warning"))
    raised = "\"invalid literal for int() with base 10: 'raised'\""
    assert heard == [raised, raised, "'given'", "'triple'", "'critical'"]
    end()
    log.error("it failed", exc_info=KeyError("after the end"))
    library.error("it failed", exc_info=KeyError("after the end"))
    assert len(heard) == 5


def test_a_listener_may_end_after_the_log_was_configured_anew() -> None:
    logs.configure("info")
    end = logs.listen_to_errors(lambda _: None)
    logs.configure("info")
    end()


def test_a_standard_error_that_blocks_holds_up_who_logs_for_no_moment() -> None:
    gate, written = threading.Event(), []

    def blocked(data: bytes) -> None:
        gate.wait()
        written.append(data)

    with logs.written_by_a_thread("info", blocked):
        for number in range(100):
            structlog.get_logger("test").warning("the tide is late", number=number)
            logging.getLogger("library").error("so is the moon %d", number)
        assert written == []
        gate.set()
    told = [json.loads(line) for data in written for line in data.splitlines()]
    assert [line["number"] for line in told if "number" in line] == list(range(100))
    assert len(told) == 101  # of the library's equal lines one a second


def test_the_lines_before_an_end_are_written_and_those_after_it_at_once() -> None:
    script = """
import structlog
from tidegate.core import logs
logs.log_uncaught()
with logs.written_by_a_thread("info"):
    for number in range(1000):
        structlog.get_logger("test").info("one", number=number)
    raise RuntimeError("the sea is gone")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    told = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["number"] for line in told[:-1]] == list(range(1000))
    assert told[-1]["severity"] == "CRITICAL"
