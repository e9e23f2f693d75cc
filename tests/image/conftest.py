"""The engine, the image on both bases, and the stack, for the tests of this folder.

`make image-test` (REQUIRE_ENGINE) runs them, on the engine that is up or on Debian's, which it starts, or it fails.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.image import base_images
from tests.image.containers import published_port, status, wait_until
from tests.image.engine import Engine, NoEngine, debian_engine, engine_that_is_up

ROOT = Path(__file__).parents[2]
IMAGES = {"slim": base_images.SLIM, "without a shell": base_images.SHELL_LESS}


class Stack(msgspec.Struct, frozen=True):
    """A started compose.yaml."""

    engine: Engine
    project: str
    port: int
    key: str

    def container(self, service: str) -> str:
        """Return the id of the service's container."""
        label = f"label=com.docker.compose.service={service}"
        project = f"label=com.docker.compose.project={self.project}"
        return self.engine.docker("ps", "--all", "--quiet", "--filter", project, "--filter", label)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine of this machine, or Debian's where none is up."""
    if "REQUIRE_ENGINE" not in os.environ:
        pytest.skip("`make image-test` runs it: it builds two images")
    folder = ROOT / ".image-test"
    folder.mkdir(exist_ok=True)
    up = engine_that_is_up(folder)
    if up is not None:
        yield up
    else:
        try:
            with debian_engine(folder) as started:
                yield started
        except NoEngine as error:
            pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def images(engine: Engine) -> dict[str, str]:
    """The image on each base, by the name of the base."""
    base_images.build(engine)
    tags = {}
    for name, base in IMAGES.items():
        tags[name] = f"tidegate-test:{name.partition(' ')[0]}"
        arguments = ("--build-arg", f"BUILDER={base_images.SLIM}", "--build-arg", f"BASE={base}")
        engine.build(ROOT, *arguments, "--tag", tags[name])
    return tags


@pytest.fixture(scope="session")
def stack(engine: Engine, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack of compose.yaml, as someone starts it: the file is copied, and one key put into a file."""
    folder = tmp_path_factory.mktemp("stack")
    shutil.copy(ROOT / "compose.yaml", folder)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "openai_api_key").write_text("sk-upstream-0123456789")
    project = f"tidegate{uuid.uuid4().hex[:8]}"
    files = ("-f", str(folder / "compose.yaml"), "-f", str(base_images.HERE / "compose.yaml"))
    command = ("--project-name", project, *files)
    variables = {"TIDEGATE_VERSION": project, "TIDEGATE_PORT": "0"}
    engine.docker("tag", images["slim"], f"tidegate:{project}")
    try:
        engine.compose(*command, "up", "-d", **variables)
        yield _started(engine, project)
    finally:
        engine.compose(*command, "down", "--volumes", **variables)
        engine.docker("rmi", f"tidegate:{project}")


def _started(engine: Engine, project: str) -> Stack:
    stack = Stack(engine, project, 0, "")
    port = published_port(engine, stack.container("gateway"))
    wait_until(lambda: status(port, "/readyz") == 200)
    job = stack.container("first-key")
    engine.docker("wait", job)
    (key,) = [word for word in engine.docker("logs", job).split() if word.startswith("sk-tg-")]
    return Stack(engine, project, port, key)
