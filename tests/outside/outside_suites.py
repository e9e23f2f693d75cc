"""Suites that others wrote pass through the gateway, but for the named exceptions. `make outside` runs this file.

They run in an environment of their own (`.venv-outside`), because some bring plugins of pytest with them. At the end
the page `docs/generated/outside-suites.md` is written.
"""

import asyncio
import os
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from tests.harness import Gateway, World, listening
from tests.outside import report
from tests.outside.report import HERE, SuiteReport
from tests.outside.stand_in import StandIn

ROOT = HERE.parent.parent
ENVIRONMENT = ROOT / ".venv-outside"
PAGE = ROOT / "docs" / "generated" / "outside-suites.md"
SUITES = HERE / "suites"
SUITE_SECONDS = 600.0
TITLES = {
    "langchain": "LangChain's standard tests (`langchain-tests`)",
    "responses": "the published types of Open Responses (`openresponses-types`)",
    "openai-python": "the tests of OpenAI's Python client (`openai`)",
}
SDK_TESTS = (
    "chat", "conversations", "responses", "test_conversations.py", "test_embeddings.py", "test_models.py",
    "test_moderations.py", "test_responses.py",
)  # fmt: skip
"""The client's tests of the routes that the gateway has."""
UNUSED_PLUGINS = ("socket", "benchmark", "codspeed", "cacheprovider")


@pytest.fixture(scope="module")
def reports() -> dict[str, SuiteReport]:
    """The reports so far."""
    return {}


@pytest.fixture
async def stand_in(gateway: Gateway, world: World) -> AsyncIterator[str]:
    admin = (await world.keys.create(project="operators", admin=True)).token
    app = StandIn(gateway.http, gateway.base_url, gateway.key, admin)
    async with listening(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")) as root:
        yield f"{root}/v1"


async def run(suite: str, folder: Path, *tests: str, cwd: Path, base_url: str, key: str) -> SuiteReport:
    """Run the tests in the outside environment; return what they reported."""
    junit = folder / f"{suite}.xml"
    addresses = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key, "TEST_API_BASE_URL": base_url}
    process = await asyncio.create_subprocess_exec(
        str(ENVIRONMENT / "bin" / "python"), "-m", "pytest", *tests, f"--junitxml={junit}", cwd=cwd,
        stdout=sys.stderr, stderr=sys.stderr, env={**os.environ, **addresses},
    )  # fmt: skip
    try:
        async with asyncio.timeout(SUITE_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return report.read(suite, junit)


async def run_own(suite: str, name: str, gateway: Gateway, folder: Path) -> SuiteReport:
    """Run a suite whose file is here."""
    where = ("-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES), "--confcutdir", str(SUITES))
    return await run(suite, folder, *where, name, cwd=SUITES, base_url=gateway.base_url, key=gateway.key)


async def test_langchains_standard_tests(gateway: Gateway, tmp_path: Path, reports: dict[str, SuiteReport]) -> None:
    found = reports["langchain"] = await run_own("langchain", "langchain_standard.py", gateway, tmp_path)
    assert found.complaints(report.exceptions()) == []


async def test_the_published_types_of_responses(
    gateway: Gateway, tmp_path: Path, reports: dict[str, SuiteReport]
) -> None:
    found = reports["responses"] = await run_own("responses", "responses_format.py", gateway, tmp_path)
    assert found.complaints(report.exceptions()) == []


@pytest.fixture
def sdk_source(tmp_path: Path) -> Path:
    """The folder of the official client's source, with its tests."""
    (archive,) = (ENVIRONMENT / "sources").glob("openai-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path / archive.name.removesuffix(".tar.gz")


async def test_the_official_clients_own_tests(
    stand_in: str, tmp_path: Path, sdk_source: Path, reports: dict[str, SuiteReport]
) -> None:
    options = ["-o", "addopts=", *(f"-pno:{plugin}" for plugin in UNUSED_PLUGINS), "-q", "--tb=line"]
    tests = [f"tests/api_resources/{name}" for name in SDK_TESTS]
    # none of its keys is one of ours: the stand-in knows the right one
    found = await run("openai-python", tmp_path, *options, *tests, cwd=sdk_source, base_url=stand_in, key="")
    reports["openai-python"] = found
    assert found.complaints(report.exceptions()) == []


def test_the_page_is_written(reports: dict[str, SuiteReport]) -> None:
    assert set(reports) == set(TITLES), "run the whole file"
    assert [found.complaints(report.exceptions()) for found in reports.values()] == [[], [], []]
    PAGE.write_text(report.page(list(reports.values()), TITLES))
