"""`tidegate doctor` names each secret by its fingerprint and place, never prints it; its exit code tells the rest."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.leaks.planted import provider_key, saved_image, tar
from tidegate.cli.security.doctor import doctor
from tidegate.leaks.patterns import fingerprint

KEY = provider_key()


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(doctor)
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    layers = [tar({"app/.env": KEY.encode(), f"app/{KEY}\x1b": b""}), tar({"app/.wh..env": b""})]
    path = tmp_path / "image.tar"
    path.write_bytes(tar(saved_image(layers, Env=[f"OPENAI_API_KEY={KEY}"])))
    return path


def test_what_was_found_is_told_without_the_secret(image: Path) -> None:
    outcome = run("--image", str(image))
    assert outcome.exit_code == 1
    assert KEY not in outcome.output
    kind = f"API key of a model provider ({fingerprint(KEY)})"
    assert f"{kind}: layer 1: /app/.env, deleted by a later layer" in outcome.output
    assert f"{kind}: environment OPENAI_API_KEY" in outcome.output
    assert "2 secrets were found" in outcome.output


def test_json_is_for_programs(image: Path) -> None:
    outcome = run("--image", str(image), "--json")
    found = json.loads(outcome.stdout)
    assert outcome.exit_code == 1
    assert KEY not in outcome.output
    assert {finding["path"]: (finding["layer"], finding["deleted"]) for finding in found["findings"]} == {
        "app/.env": (1, True),
        "environment OPENAI_API_KEY": (None, False),
    }
    assert {finding["fingerprint"] for finding in found["findings"]} == {fingerprint(KEY)}


def test_the_exit_code_tells_clean_from_not_examined(tmp_path: Path) -> None:
    clean, broken = tmp_path / "clean.tar", tmp_path / "broken.tar"
    clean.write_bytes(tar(saved_image([tar({"a": b"x"})])))
    broken.write_bytes(b"text")
    assert run("--image", str(clean)).exit_code == 0
    for path in (broken, tmp_path / "none.tar"):
        outcome = run("--image", str(path))
        assert (outcome.exit_code, "not examined" in outcome.output) == (2, True)


def test_names_in_the_image_are_shown_safely(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar(saved_image([tar({f"{KEY}\x1b[31m": KEY.encode()})])))
    outcome = run("--image", str(path))
    assert outcome.exit_code == 1
    assert KEY not in outcome.output
    assert "\x1b" not in outcome.output
