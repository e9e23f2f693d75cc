"""Every command, snippet, configuration and example of the documents runs against a gateway."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.clients.conftest import node_packages
from tests.docs.blocks import Block, blocks_of
from tests.docs.terminal import Terminal, commands_of, missing_line
from tests.eventually import PATIENCE_SECONDS
from tidegate.core.config import Settings
from tidegate.core.endpoints import BY_PATH

__all__ = ["node_packages"]

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TUTORIAL = "docs/start/tutorial.md"
PAGES = [ROOT / "README.md", *sorted(EXAMPLES.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
BLOCKS = [
    block
    for page in PAGES
    if not page.is_relative_to(ROOT / "docs/generated") and not page.is_relative_to(ROOT / "docs/decisions")
    for block in blocks_of(page, ROOT)
]
RUN = [block for block in BLOCKS if block.reason is None]
LANGUAGES = {"shell", "console", "bash", "python", "toml", "sql"}

CONFIGURATION = """
[providers.openai]
kind = "openai"
base_url = "http://127.0.0.1:4400/v1"
credentials = [
  { name = "default", api_key = "sk-simulated-one" },
  { name = "backup", api_key = "sk-simulated-two" },
]
"""
PRELUDE = "import time\nfrom openai import OpenAI\nclient = OpenAI()\n"
"""What the guides' Python snippets take for granted."""
RUN_ALL = """
import runpy, sys
for path in sys.argv[1:]:
    print("running", path, flush=True)
    runpy.run_path(path, run_name="__main__")
"""


def id_of(block: Block) -> str:
    return f"{block.page}:{block.line}"


@pytest.fixture(scope="module")
def store_variables(database_url: str, redis_url: str) -> dict[str, str]:
    return {"TIDEGATE_DATABASE_URL": database_url, "TIDEGATE_REDIS_URL": redis_url}


@pytest.fixture(scope="module")
def gateway(store_variables: dict[str, str], redis_prefix: str) -> Iterator[Terminal]:
    """A terminal beside a running gateway, with the projects, keys and variables that the guides take for granted."""
    variables = {
        **store_variables,
        "TIDEGATE_REDIS__PREFIX": f"{redis_prefix}-{uuid.uuid4().hex[:6]}",
        "TIDEGATE_METERING__UNKNOWN_MODEL_PRICE": '{"input": 10, "output": 40}',  # for a prompt under a budget
    }
    with tempfile.TemporaryDirectory(prefix="tidegate-docs-") as folder:
        terminal = Terminal(Path(folder), variables)
        (terminal.folder / "tidegate.toml").write_text(terminal.real(CONFIGURATION))
        try:
            terminal.run("tidegate simulate --port 4400")
            address = terminal.real("http://127.0.0.1:8080")
            terminal.run("tidegate run")
            terminal.run("tidegate keys create --project batch")
            admin_key = key_of(terminal.run("tidegate keys create --project operators --admin"))
            tiny_key = key_of(terminal.run("tidegate keys create --project tiny --budget-day 0.000001"))
            key = key_of(terminal.run("tidegate keys create --project shop --name backend"))
            terminal.environment.update(
                TIDEGATE=address, ADMIN_KEY=admin_key, KEY=key, TINY_KEY=tiny_key,
                OPENAI_BASE_URL=f"{address}/v1", OPENAI_API_KEY=key,
            )  # fmt: skip
            yield terminal
        finally:
            terminal.close()


def key_of(output: str) -> str:
    return output.split(maxsplit=1)[0]


def test_every_block_is_run_or_says_why_not() -> None:
    unknown = [id_of(block) for block in RUN if block.language not in LANGUAGES]
    assert unknown == [], "the test runs no such language: say in a comment `not run: …` why"
    assert len(RUN) > len(BLOCKS) / 2


def shell_blocks() -> list[Block]:
    return [block for block in RUN if block.language in {"shell", "console", "bash"} and block.page != TUTORIAL]


@pytest.mark.parametrize("block", shell_blocks(), ids=id_of)
def test_commands_run(gateway: Terminal, block: Block) -> None:
    run_block(gateway, block)


def run_block(terminal: Terminal, block: Block) -> None:
    for command, expected in commands_of(block.text):
        output = settled_output(terminal, command)
        assert expected or '{"error":' not in output, f"{command}: {output}"
        assert missing_line(expected, output) is None, f"{command} printed:\n{output}"


def test_the_tutorial_runs_and_prints_what_it_shows(store_variables: dict[str, str], redis_prefix: str) -> None:
    variables = {**store_variables, "TIDEGATE_REDIS__PREFIX": f"{redis_prefix}-{uuid.uuid4().hex[:6]}"}
    with tempfile.TemporaryDirectory(prefix="tidegate-docs-") as folder:
        terminal = Terminal(Path(folder), variables)
        try:
            for block in (block for block in RUN if block.page == TUTORIAL):
                if block.language == "toml":
                    (terminal.folder / "tidegate.toml").write_text(terminal.real(block.text))
                else:
                    run_block(terminal, block)
        finally:
            terminal.close()


def test_python_snippets_and_examples_run(gateway: Terminal, tmp_path: Path) -> None:
    scripts = sorted(EXAMPLES.glob("*.py"))
    for page in sorted({block.page for block in RUN if block.language == "python"}):
        snippets = [block.text for block in RUN if block.page == page and block.language == "python"]
        script = tmp_path / f"{page.replace('/', '-')}.py"
        script.write_text(gateway.real(PRELUDE + "\n".join(snippets)))
        scripts.append(script)
    command = [sys.executable, "-c", RUN_ALL, *map(str, scripts)]
    printed = run(command, gateway)
    assert "cache: hit" in printed
    assert "429 budget_exceeded" in printed


@pytest.mark.node
def test_node_examples_run(gateway: Terminal, node_packages: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_packages / "node_modules")
    for example in sorted(EXAMPLES.glob("*.mjs")):
        assert run(["node", str(shutil.copy(example, tmp_path / example.name))], gateway)


def run(command: list[str], gateway: Terminal) -> str:
    done = subprocess.run(
        command, env=gateway.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def toml_texts() -> dict[str, str]:
    """The configuration of each page, its blocks joined, and the example files."""
    pages = {block.page for block in RUN if block.language == "toml"}
    texts = {
        page: "\n".join(block.text for block in RUN if (block.page, block.language) == (page, "toml")) for page in pages
    }
    return texts | {path.relative_to(ROOT).as_posix(): path.read_text() for path in EXAMPLES.glob("*.toml")}


@pytest.mark.parametrize("page", sorted(toml_texts()))
def test_configurations_are_valid(page: str) -> None:
    Settings(**tomllib.loads(toml_texts()[page]))


@pytest.mark.parametrize("block", [block for block in RUN if block.language == "sql"], ids=id_of)
def test_queries_run(database_url: str, block: Block) -> None:
    with psycopg.connect(database_url) as database:
        database.execute(block.text.encode())
        database.rollback()


def test_the_page_of_routes_has_every_route_and_no_other(gateway: Terminal) -> None:
    with urllib.request.urlopen(f"{gateway.environment['TIDEGATE']}/openapi.json") as answer:  # noqa: S310  # our own
        paths = json.load(answer)["paths"]
    served = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    served |= {("POST", path) for path in BY_PATH} | {("GET", "/v1/responses"), ("GET", "/openapi.json")}
    served |= {("GET", "/v1/realtime")}  # a WebSocket
    rows = (line.split("|") for line in (ROOT / "docs/reference/http-api.md").read_text().splitlines())
    cells = [(row[1].strip(" `"), row[2].split("`")[1]) for row in rows if len(row) > 3 and "`" in row[2]]
    assert set(cells) == served


def settled_output(terminal: Terminal, command: str) -> str:
    """Run a command, and again while it says that requests are missing: no reader types as fast as this test."""
    until = time.monotonic() + PATIENCE_SECONDS
    while "not in this report yet" in (output := terminal.run(command)) and time.monotonic() < until:
        pass
    return output
