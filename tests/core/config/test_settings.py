"""Every section has defaults, refuses unknown keys, and is immutable."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from tidegate.core.config import ConfigError, Settings, load


def test_what_was_read_stays_as_it_is() -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "debug"  # type: ignore[misc]  # that is what is shown here
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # type: ignore[misc]  # and here


@pytest.mark.parametrize(
    "section", [name for name, field in Settings.model_fields.items() if field.is_required() is False]
)
def test_every_section_refuses_what_it_does_not_know(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(getattr(load(), section), BaseModel):
        Path("tidegate.toml").write_text(f"[{section}]\nnothing_like_it = 1\n")
        with pytest.raises(ConfigError, match=rf"The setting {section}\.nothing_like_it is unknown\."):
            load()


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("", ".tidegate/spool"),
        ("data_dir = '/data'", "/data/spool"),
        ("data_dir = '/data'\n[metering]\nspool_dir = '/spool'", "/spool"),
    ],
)
def test_the_spool_follows_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tidegate.toml").write_text(file)
    assert load().spool_dir == Path(folder)


@pytest.mark.parametrize(("file", "grace"), [("", 8), ("[server]\ngrace_seconds = 20", 20)])
def test_the_grace_follows_the_platform_unless_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, grace: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K_SERVICE", "tidegate")
    Path("tidegate.toml").write_text(file)
    assert load().server.grace == grace
