"""Variables and files are read anew each time."""

from pathlib import Path

from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.sources.local import LocalSource


def test_a_variable_and_a_file_are_read_as_they_are_now(tmp_path: Path) -> None:
    place = tmp_path / "key"
    source = LocalSource({"KEY": " sk-env "})
    assert source.read(SecretReference("env", "KEY")).text == "sk-env"
    for text in ("sk-one", "sk-two"):
        place.write_text(text)
        found = source.read(SecretReference("file", str(place)))
        assert (found.text, found.created_at) == (text, place.stat().st_mtime)
