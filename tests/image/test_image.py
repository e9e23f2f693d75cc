"""The image and the stack on a real engine: the first call works, what is shut stays shut, and the figures hold."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.image.base_images import SLIM
from tests.image.conftest import ROOT, Stack
from tests.image.containers import Start, first_answer, memory_bytes
from tests.image.engine import Engine
from tests.image.figures import Figures, written

pytestmark = pytest.mark.long

TIMED = "WRITE_FIGURES" in os.environ
"""Whether times count. Beside other tests they say nothing, so only `make image-test` judges them."""
STARTS = 5
GOALS = {"slim": 180, "without a shell": 120}
"""Megabytes."""
REBUILD_SECONDS = 30.0
RUN_ALONE = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    """What is measured; `make image-test` writes it into the documentation."""
    measured: Figures = {}
    yield measured
    if TIMED:
        (ROOT / "docs" / "generated" / "image.md").write_text(
            written(measured, busy=os.getloadavg()[1], cores=os.cpu_count() or 1)
        )


class Starter:
    """Starts gateways beside the stack's own, on its stores."""

    def __init__(self, stack: Stack, images: dict[str, str]) -> None:
        self.engine = stack.engine
        self._stack = stack
        self._images = images
        self._names: list[str] = []

    def start(self, base: str, *, workers: int = 1) -> tuple[str, Start]:
        """Start a gateway; return its name, and what the start took."""
        engine, name = self.engine, f"gateway-{uuid.uuid4().hex[:8]}"
        inherited = json.loads(engine.docker("inspect", self._stack.container("gateway")))[0]["Config"]["Env"]
        stores = [line for line in inherited if line.startswith(("TIDEGATE_DATABASE_URL", "TIDEGATE_REDIS_URL"))]
        settings = (
            *(word for line in (*stores, "OPENAI_API_KEY=sk-none") for word in ("--env", line)),
            "--env",
            f"TIDEGATE_SERVER__WORKERS={workers}",
            "--publish",
            "127.0.0.1:0:8080",
        )
        network = ("--network", f"{self._stack.project}_front")
        engine.docker("create", "--name", name, *network, *RUN_ALONE, "--no-healthcheck", *settings, self._images[base])
        self._names.append(name)
        engine.docker("network", "connect", f"{self._stack.project}_back", name)
        return name, first_answer(engine, name)

    def remove_all(self) -> None:
        """Remove what was started, with its volumes."""
        for name in self._names:
            self.engine.docker("rm", "--force", "--volumes", name)


@pytest.fixture
def started(stack: Stack, images: dict[str, str]) -> Iterator[Starter]:
    """Starts gateways, and removes them after the test."""
    starter = Starter(stack, images)
    yield starter
    starter.remove_all()


def test_the_first_call_works_with_nothing_typed_but_one_key(stack: Stack) -> None:
    client = OpenAI(base_url=f"http://127.0.0.1:{stack.port}/v1", api_key=stack.key, max_retries=0)
    ask = client.chat.completions.with_raw_response.create
    answers = [ask(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}], temperature=0) for _ in "12"]
    assert answers[0].parse().choices[0].message.content
    assert [answer.headers["x-tidegate-cache"] for answer in answers] == ["miss", "hit"], "it uses its Redis"
    client.close()


def test_no_container_outside_reaches_the_stores(stack: Stack) -> None:
    found = {
        name: json.loads(stack.engine.docker("inspect", stack.container(name)))[0] for name in ("postgres", "redis")
    }
    places = []
    for name, port in (("postgres", 5432), ("redis", 6379)):
        (network,) = found[name]["NetworkSettings"]["Networks"].values()
        places += [(name, port), (network["IPAddress"], port)]
        assert not any(found[name]["NetworkSettings"]["Ports"].values()), "a port is published"
    script = (
        "import socket, sys\n"
        f"for place in {places!r}:\n"
        "    try: socket.create_connection(place, timeout=2)\n"
        "    except OSError: continue\n"
        "    sys.exit(f'{place} was reached')\n"
    )
    run = ("run", "--rm", "--network", f"{stack.project}_front", "--entrypoint", "python3", SLIM, "-c", script)
    stack.engine.docker(*run)
    with pytest.raises(RuntimeError, match="was reached"):
        stack.engine.docker(*[word.replace("_front", "_back") for word in run])


def test_the_process_can_do_nothing_but_serve(stack: Stack) -> None:
    for service in ("gateway", "postgres", "redis"):
        run = ("exec", stack.container(service))
        rights = stack.engine.docker(*run, "cat", "/proc/1/status").splitlines()
        assert [line.split()[1] for line in rights if line.startswith("Cap")] == ["0" * 16] * 5
        with pytest.raises(RuntimeError, match="Read-only file system"):
            stack.engine.docker(*run, "touch", "/x")
    script = (
        "import os, tempfile; assert os.getuid() == 10001; open('/var/lib/tidegate/x', 'w'); tempfile.TemporaryFile()"
    )
    stack.engine.docker("exec", stack.container("gateway"), "python3", "-c", script)


def test_the_image_has_what_it_needs_and_no_more(engine: Engine, images: dict[str, str]) -> None:
    run = ("run", "--rm", "--network", "none", *RUN_ALONE, "--entrypoint", "python3")
    script = (
        "import json, ssl, sys, zoneinfo\n"
        "zoneinfo.ZoneInfo('Europe/Berlin')\n"
        "assert len(ssl.create_default_context().get_ca_certs()) > 50\n"
        "bill = json.load(open('/app/code/bom.cdx.json'))\n"
        "assert {'aiohttp', 'asyncpg', 'tzdata'} <= {part['name'] for part in bill['components']}\n"
        "assert sys.flags.dont_write_bytecode\n"
    )
    for image in images.values():
        engine.docker(*run, image, "-c", script)
        assert "--if-none" in engine.docker("run", "--rm", "--network", "none", image, "keys", "create", "--help")
    with pytest.raises(RuntimeError, match="executable file not found"):
        engine.docker("run", "--rm", "--entrypoint", "sh", images["without a shell"], "-c", "true")


@pytest.mark.parametrize("base", GOALS)
def test_the_image_is_small(engine: Engine, images: dict[str, str], base: str, figures: Figures) -> None:
    megabytes = int(engine.docker("image", "inspect", "--format", "{{.Size}}", images[base])) / 1e6
    figures[f"size, {base}"] = (megabytes, "MB", GOALS[base])
    assert megabytes <= GOALS[base]


@pytest.mark.parametrize("base", GOALS)
def test_it_starts_fast(started: Starter, base: str, figures: Figures) -> None:
    starts = [started.start(base)[1] for _ in range(STARTS)]
    seconds, cpu = min(start.seconds for start in starts), min(start.cpu_seconds for start in starts)
    figures[f"start to the first 200, {base}"] = (seconds, "s", 2.0)
    figures[f"CPU of that start, {base}"] = (cpu, "s", 1.2)
    if TIMED:
        assert cpu <= 1.2
        assert seconds <= 2.0, f"{cpu:.2f} s of them CPU; is the machine busy?"


@pytest.mark.parametrize(("workers", "most"), [(1, 110), (2, 200)])
def test_idle_memory_is_small(started: Starter, workers: int, most: int, figures: Figures) -> None:
    name, _ = started.start("slim", workers=workers)
    megabytes = memory_bytes(started.engine, name) / 1e6
    figures[f"idle memory, {workers} worker{'s' if workers > 1 else ''}"] = (megabytes, "MB", most)
    assert megabytes <= most


def test_a_change_of_code_is_built_fast_and_replaces_a_small_layer(
    engine: Engine, images: dict[str, str], tmp_path: Path, figures: Figures
) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, listed):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    with (tmp_path / "tidegate" / "app.py").open("a") as file:
        file.write(f"# changed {uuid.uuid4()}\n")  # as never before: the engine keeps what it has built
    arguments = ("--build-arg", f"BUILDER={SLIM}", "--build-arg", f"BASE={SLIM}", "--tag", "tidegate-test:changed")
    begun = time.monotonic()
    engine.build(tmp_path, *arguments)
    seconds = time.monotonic() - begun
    figures["rebuild after a change of code"] = (seconds, "s", REBUILD_SECONDS)
    before, after = (_layers(engine, image) for image in (images["slim"], "tidegate-test:changed"))
    megabytes = sum(size for layer, size in after.items() if layer not in before) / 1e6
    figures["layers that a change of code replaces"] = (megabytes, "MB", 10)
    assert 0 < megabytes <= 10
    if TIMED:
        assert seconds <= REBUILD_SECONDS, "is the machine busy?"


def _layers(engine: Engine, image: str) -> dict[str, int]:
    """Return the bytes of an image's layers, by their digests, from the base on."""
    digests = json.loads(engine.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image))
    history = reversed(engine.read(f"/images/{image}/history"))
    sizes = [step["Size"] for step in history if step["CreatedBy"].startswith(("COPY ", "RUN ", "ADD ", "WORKDIR "))]
    return dict(zip(digests[-len(sizes) :], sizes, strict=True))
