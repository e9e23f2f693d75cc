"""The house keeps its own rules, and each rule complains when it is broken."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shape import order, source, start, tree

ROOT = Path(__file__).parent.parent
FILES = {str(path.relative_to(ROOT)): path for path in tree.files(ROOT)}
SOURCES = {name: path.read_text() for name, path in FILES.items() if name.endswith(".py")}
MODULES = [name for name in SOURCES if name.startswith("tidegate/")]

_SOCKETS = "shown through real sockets, in tests/gateway"
_WEBSOCKET = "shown with the official client, in tests/gateway/test_websocket.py and test_websocket_ends.py"

_DASHBOARD = "shown through real sockets, in tests/gateway/test_dashboard_page.py"

_SEMANTIC = "shown through real sockets, in tests/gateway/test_semantic.py"

_BACKGROUND = "shown through real sockets, in tests/gateway/test_background.py"

_PASSTHROUGH = "shown through real sockets, in tests/gateway/passthrough"
_OPERATIONS = "values: shown in tests/wire/operations/test_table.py"

_REALTIME = "shown through real sockets, in tests/gateway/test_realtime.py and test_realtime_ends.py"
_SIMULATED = "shown with the official client, in tests/simulator/realtime/test_session.py"

EXCUSED: dict[str, str] = {
    "tidegate/assembly/openai/realtime.py": _REALTIME,
    "tidegate/pipeline/realtime/bridge.py": _REALTIME,
    "tidegate/pipeline/realtime/opening.py": _REALTIME,
    "tidegate/pipeline/realtime/reports.py": _REALTIME,
    "tidegate/pipeline/realtime/reservations.py": _REALTIME,
    "tidegate/pipeline/realtime/session.py": _REALTIME,
    "tidegate/web/realtime/client_socket.py": _REALTIME,
    "tidegate/web/realtime/error_event.py": _REALTIME,
    "tidegate/simulator/realtime/connection.py": _SIMULATED,
    "tidegate/simulator/realtime/conversation.py": _SIMULATED,
    "tidegate/simulator/realtime/responses.py": _SIMULATED,
    "tidegate/simulator/realtime/settings.py": _SIMULATED,
    "tidegate/simulator/realtime/socket.py": _SIMULATED,
    "tidegate/simulator/realtime/speech.py": _SIMULATED,
    "tidegate/simulator/realtime/secrets.py": "shown in tests/gateway/test_realtime_secrets.py",
    "tidegate/assembly/background.py": _BACKGROUND,
    "tidegate/pipeline/background.py": _BACKGROUND,
    "tidegate/assembly/operating/semantic.py": _SEMANTIC,
    "tidegate/cache/semantic/state/erasure.py": _SEMANTIC,
    "tidegate/pipeline/semantic/complaints.py": _SEMANTIC,
    "tidegate/web/openai/answers.py": _SEMANTIC,
    "tidegate/pipeline/semantic/learner.py": _SEMANTIC,
    "tidegate/pipeline/semantic/model_calls.py": _SEMANTIC,
    "tidegate/pipeline/semantic/resolver.py": _SEMANTIC,
    "tidegate/pipeline/semantic/step.py": "a protocol and its values: shown in tests/gateway/test_semantic.py",
    "tidegate/pipeline/semantic/verdicts.py": _SEMANTIC,
    "tidegate/pipeline/semantic/visit.py": _SEMANTIC,
    "tidegate/assembly/operating/dashboard.py": _DASHBOARD,
    "tidegate/dashboard/reader.py": _DASHBOARD,
    "tidegate/dashboard/redis_reader.py": _DASHBOARD,
    "tidegate/dashboard/sources.py": "values: shown in tests/dashboard/test_composition.py",
    "tidegate/auth/session_store.py": "shown in tests/auth/test_sessions.py",
    "tidegate/web/dashboard/events.py": _DASHBOARD,
    "tidegate/web/dashboard/routes.py": _DASHBOARD,
    "tidegate/web/dashboard/session.py": _DASHBOARD,
    "tidegate/assembly/alerts.py": "shown through real sockets, in tests/gateway/test_alerts.py",
    "tidegate/assembly/auth.py": _SOCKETS,
    "tidegate/assembly/limits.py": _SOCKETS,
    "tidegate/assembly/queue.py": _SOCKETS,
    "tidegate/assembly/metering.py": _SOCKETS,
    "tidegate/assembly/pipeline.py": _SOCKETS,
    "tidegate/assembly/conversations.py": _SOCKETS,
    "tidegate/assembly/gauges.py": "shown through real sockets, in tests/gateway/test_metrics.py",
    "tidegate/assembly/routing.py": _SOCKETS,
    "tidegate/pipeline/upstream_services.py": _SOCKETS,
    "tidegate/pipeline/takeover.py": "shown through real sockets, in tests/gateway/test_sharing.py",
    "tidegate/routing/call_services.py": "a protocol and its values: shown in tests/routing/test_upstream_call.py",
    "tidegate/assembly/web.py": _SOCKETS,
    "tidegate/pipeline/settle.py": _SOCKETS,
    "tidegate/pipeline/fallback_answers.py": _SOCKETS,
    "tidegate/pipeline/prepare.py": _SOCKETS,
    "tidegate/web/inference/reply.py": _SOCKETS,
    "tidegate/web/api.py": _SOCKETS,
    "tidegate/web/asgi.py": _SOCKETS,
    "tidegate/web/openai/completions.py": _SOCKETS,
    "tidegate/web/openai/conversations.py": _SOCKETS,
    "tidegate/web/openai/handler_base.py": _SOCKETS,
    "tidegate/web/openai/input_tokens.py": _SOCKETS,
    "tidegate/web/openai/responses.py": _SOCKETS,
    "tidegate/web/openai/routes.py": _SOCKETS,
    "tidegate/web/docs/operations.py": "a table: shown in tests/gateway/test_description.py",
    "tidegate/wire/operations/files.py": _OPERATIONS,
    "tidegate/wire/operations/refused.py": _OPERATIONS,
    "tidegate/wire/operations/realtime.py": _OPERATIONS,
    "tidegate/wire/operations/media.py": _OPERATIONS,
    "tidegate/wire/operations/stores.py": _OPERATIONS,
    "tidegate/wire/operations/training.py": _OPERATIONS,
    "tidegate/assembly/operations/passthrough.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/account.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/body.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/owners.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/batch_input.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/object_calls.py": _PASSTHROUGH,
    "tidegate/assembly/operations/ownership.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/response.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/sending.py": _PASSTHROUGH,
    "tidegate/pipeline/passthrough/story.py": _PASSTHROUGH,
    "tidegate/web/passthrough/endpoint.py": _PASSTHROUGH,
    "tidegate/web/passthrough/reply.py": _PASSTHROUGH,
    "tidegate/providers/openai_family/operation_exchange.py": _PASSTHROUGH,
    "tidegate/core/config/sections/passthrough.py": _PASSTHROUGH,
    "tidegate/wire/operations/operation.py": _OPERATIONS,
    "tidegate/web/connection_rules.py": "values: shown in tests/web/test_http_protocol.py",
    "tidegate/web/inference/endpoint.py": _SOCKETS,
    "tidegate/web/inference/streamed.py": _BACKGROUND,
    "tidegate/web/websocket/connection.py": _WEBSOCKET,
    "tidegate/web/websocket/endpoint.py": _WEBSOCKET,
    "tidegate/web/websocket/protocol.py": _WEBSOCKET,
    "tidegate/web/websocket/request_handler.py": _WEBSOCKET,
    "tidegate/web/admin/metrics.py": "shown through real sockets, in tests/gateway/test_metrics.py",
}
"""Modules without a test file of their own, and why."""

MOST_FASTAPIS = 4.0
"""CPU time that `import tidegate.app` may take, in what `import fastapi` alone takes on the same machine."""
FOREIGN_TO_SERVING = {"pgqueuer", "openai", "typer", "toktok"}
"""Background jobs, command line and token counting load when they are needed, not in each worker."""

Rule = Callable[[str, str], Iterator[str]]


@pytest.mark.parametrize(
    "rule", [source.long_file, source.long_functions, source.broad_excepts, source.global_statements]
)
def test_every_source_file_keeps_the_rule(rule: Rule) -> None:
    assert [complaint for path, text in SOURCES.items() for complaint in rule(path, text)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (source.long_file, "\n" * 401),
        (source.long_functions, "def f():\n" + "    x = 1\n" * 50),
        (source.broad_excepts, "try: pass\nexcept: pass\n"),
        (source.broad_excepts, "try: pass\nexcept Exception: pass\n"),
        (source.broad_excepts, "try: pass\nexcept (OSError, BaseException): pass\n"),
        (source.broad_excepts, "try: pass\nexcept Exception: pass  # noqa: BLE001, S110\n"),
        (source.broad_excepts, "with contextlib.suppress(Exception): pass\n"),
        (source.global_statements, "def f():\n    global x\n"),
    ],
)
def test_a_source_file_that_breaks_a_rule_is_named(rule: Rule, text: str) -> None:
    complaints = list(rule("bad.py", text))
    assert len(complaints) == 1
    assert complaints[0].startswith("bad.py")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (source.long_file, "\n" * 400),
        (source.long_functions, "def f():\n" + "    x = 1\n" * 49),
        (source.broad_excepts, "try: pass\nexcept OSError: pass\n"),
        (source.broad_excepts, "try: pass\nexcept Exception: pass  # noqa: BLE001  # a hook must not end a call\n"),
        (source.broad_excepts, "try: pass\n# whatever it was, the call goes on\nexcept Exception: pass\n"),
        (source.broad_excepts, "with contextlib.suppress(OSError): pass\n"),
    ],
)
def test_a_source_file_that_keeps_a_rule_is_left_alone(rule: Rule, text: str) -> None:
    assert list(rule("good.py", text)) == []


def test_every_module_has_its_test_file() -> None:
    assert list(tree.modules_without_test(MODULES, FILES, EXCUSED)) == []


@pytest.mark.parametrize(
    ("modules", "tests", "excused", "complaint"),
    [
        (["tidegate/x/y.py"], [], {}, "tidegate/x/y.py: tests/x/test_y.py is missing"),
        (["tidegate/y.py"], ["tests/x/test_y.py"], {}, "tidegate/y.py: tests/test_y.py is missing"),
        (
            ["tidegate/y.py"],
            ["tests/test_y.py"],
            {"tidegate/y.py": "?"},
            "tidegate/y.py: is excused from a test that it has",
        ),
        ([], [], {"tidegate/y.py": "?"}, "tidegate/y.py: is excused but does not exist"),
    ],
)
def test_a_module_without_test_is_named(
    modules: list[str], tests: list[str], excused: dict[str, str], complaint: str
) -> None:
    assert list(tree.modules_without_test(modules, tests, excused)) == [complaint]


def test_no_module_is_named_for_nothing() -> None:
    assert list(tree.shapeless_names(SOURCES)) == []
    assert list(tree.shapeless_names(["tidegate/utils.py", "tidegate/helpers/x.py", "tidegate/wire/sse.py"])) == [
        "tidegate/utils.py: a name that says nothing",
        "tidegate/helpers/x.py: a name that says nothing",
    ]


def test_no_file_names_a_package_index_or_one_machines_paths() -> None:
    texts = {name: path.read_text(errors="ignore") for name, path in FILES.items()}
    assert [complaint for name, text in texts.items() for complaint in tree.machine_text(name, text)] == []


@pytest.mark.parametrize(
    "line",
    [
        "see https://py" + "pi.org/simple",
        '"resolved": "https://registry.npm' + 'js.org/x"',
        "pip install --index-url " + "http://x",
        "open('" + "/home/" + "me/x')",
        "cd " + "/wo" + "rk/main",
    ],
)
def test_a_line_of_one_machine_is_named(line: str) -> None:
    assert len(list(tree.machine_text("bad.md", line))) == 1


@pytest.mark.parametrize("line", ["~/wo" + "rk/main", "https://example.com/home/x", "data/tmp/x", "GET /v1/models"])
def test_a_line_of_no_machine_is_left_alone(line: str) -> None:
    assert list(tree.machine_text("good.md", line)) == []


def test_what_is_ignored_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text(".venv/\n*.pyc\n")
    for name in (".venv/x.py", "a/b.py", "a/b.pyc", ".ci/run"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in tree.files(tmp_path)] == [".ci/run", ".gitignore", "a/b.py"]


def test_starting_a_worker_is_cheap() -> None:
    loaded = start.importing("tidegate.app")
    assert FOREIGN_TO_SERVING & set(loaded.modules) == set()
    # more tries than the other: the longer import meets more of the machine's other work
    assert start.cheapest("tidegate.app", tries=8) <= MOST_FASTAPIS * start.cheapest("fastapi")


def test_what_an_import_loads_is_seen() -> None:
    loaded = start.importing("rich")
    assert "rich" in loaded.modules
    assert loaded.seconds > 0


def test_the_pipeline_goes_as_the_architecture_tells() -> None:
    pipeline = (ROOT / "tidegate/pipeline/pipeline.py").read_text()
    assert list(order.disagreements(pipeline, (ROOT / "ARCHITECTURE.md").read_text())) == []


PIPELINE = """
STEPS = ("read", "ask")
STEPS_WHILE_READ: Mapping[str, object] = {"send": send}
class Pipeline:
    async def answer(self, call):
        x = await self._read(call)
        return await self._caller.ask(x, self._settings)
"""
STEPS_DOCUMENT = """# How

```mermaid
flowchart
    read --> ask --> send
```

### Before the answer begins

1. **Read** it.
   More.
2. Then **ask**: by **mail**.

### While the answer is read

3. **send**

1. Other list
"""


def test_an_order_that_agrees_is_left_alone() -> None:
    assert list(order.disagreements(PIPELINE, STEPS_DOCUMENT)) == []


@pytest.mark.parametrize(
    ("pipeline", "document", "complaint"),
    [
        (
            PIPELINE,
            STEPS_DOCUMENT.replace("**Read**", "**Write**"),
            "STEPS is read > ask, but ARCHITECTURE.md lists write > ask",
        ),
        (
            PIPELINE,
            STEPS_DOCUMENT.replace("3. **send**", ""),
            "STEPS_WHILE_READ is send, but ARCHITECTURE.md lists nothing",
        ),
        (PIPELINE, STEPS_DOCUMENT.replace("--> send", ""), "the diagram in ARCHITECTURE.md lacks send"),
        (
            PIPELINE.replace("x = await self._read(call)", "x = await self._ask(call)").replace(
                "_caller.ask(x,", "_caller.read(x,"
            ),
            STEPS_DOCUMENT,
            "STEPS is read > ask, but Pipeline.answer takes ask > read",
        ),
        (
            PIPELINE.replace("self._read(call)", "call"),
            STEPS_DOCUMENT,
            "STEPS is read > ask, but Pipeline.answer takes ask",
        ),
    ],
)
def test_an_order_that_differs_is_told(pipeline: str, document: str, complaint: str) -> None:
    assert list(order.disagreements(pipeline, document)) == [complaint]


def test_a_pipeline_without_steps_is_told() -> None:
    assert "pipeline.py declares no STEPS" in list(order.disagreements("", STEPS_DOCUMENT))
