"""No file of the project has a key in it, and a key that is put into one is found before it is committed.

The patterns are those of `tidegate doctor`. `.ci/run` runs this with the suite.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.leaks.planted import provider_key, random_text
from tests.shape import tree
from tidegate.auth import key_format
from tidegate.leaks.file_scan import scan_text
from tidegate.leaks.patterns import keys_in

ROOT = Path(__file__).parent.parent

INVENTED = {
    "5ae0c584077e": "the key of tests of the configuration and of logs",
    "2626751f82c8": "the key of tests of errors",
    "3a087703360e": "the key with which the gateways of tests call the simulator",
}
"""Fingerprints of keys that look real, and what they are. None was ever issued."""


def leaks(root: Path, files: Iterable[Path]) -> Iterator[str]:
    """Yield the place and the kind of each secret in the files, without the secret."""
    for path in files:
        if path.is_symlink():
            continue
        name = path.relative_to(root).as_posix()
        with path.open("rb") as file:
            for found in scan_text(name, file):
                if found.fingerprint not in INVENTED:
                    yield f"{name}: {found.kind} ({found.fingerprint})"


def test_no_file_has_a_key() -> None:
    assert list(leaks(ROOT, tree.files(ROOT))) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docs/guide.md", f"export OPENAI_API_KEY={provider_key()}"),
        ("tests/test_x.py", f'KEY = "{key_format.generate(b"1".__mul__)}"'),
        ("deploy/.env", f"DB_PASSWORD={random_text(24)}"),
        ("compose.yaml", f"url: postgresql://shop:{random_text(20)}@db/shop"),
    ],
)
def test_a_key_in_a_file_is_found(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / ".gitignore").touch()
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# a file\n{text}\n")
    (found,) = leaks(tmp_path, tree.files(tmp_path))
    assert found.startswith(f"{name}: ")
    assert text.rsplit("=", maxsplit=1)[-1] not in found


def test_every_invented_key_is_still_there() -> None:
    tests = [path for path in tree.files(ROOT) if path.is_relative_to(ROOT / "tests") and path.suffix == ".py"]
    found = {sighting.fingerprint for path in tests for sighting in keys_in(path.read_bytes())}
    assert set(INVENTED) <= found
