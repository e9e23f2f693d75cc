"""The Dockerfile keeps hadolint's rules and our own, and each rule finds the error that it is for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.dockerfile_rules import problems

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
HADOLINT = Path(sys.executable).with_name("hadolint")


def complaints(text: str) -> str:
    """Return what hadolint says of a Dockerfile."""
    run = subprocess.run([HADOLINT, "-"], input=text, text=True, capture_output=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return run.stdout


def test_the_file_keeps_every_rule() -> None:
    assert problems(TEXT) == []
    assert complaints(TEXT) == ""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("ARG BUILDER", "# syntax=docker/dockerfile:1\nARG BUILDER", "pulls a frontend from a registry"),
        ("python:3.11-slim-bookworm", "python:latest", "the base has no version"),
        (" --require-hashes", "", "installs packages without their hashes"),
        ("RUN python3 -m venv", "RUN apt-get install gcc && python3 -m venv", "installs system packages"),
        ("COPY requirements.lock", "COPY requirements-run.lock", "installs the embedded stores"),
        ("--invalidation-mode unchecked-hash /app/packages", "/app/packages", "leaves bytecode that is checked"),
        ("USER 10001:10001", "USER tidegate", "does not run as a numeric user"),
        ("USER 10001:10001", "USER 0", "does not run as a numeric user"),
        ("USER 10001:10001\n", "", "does not run as a numeric user"),
        ("STOPSIGNAL SIGTERM\n", "STOPSIGNAL SIGINT\n", "is not stopped by SIGTERM"),
        ('ENTRYPOINT ["python3", "-m", "tidegate"]', "ENTRYPOINT python3 -m tidegate", "ENTRYPOINT needs a shell"),
        ('CMD ["serve"]', "CMD serve", "CMD needs a shell"),
        ('"tidegate", "health"]', '"tidegate", "--help"]', "is not checked by `tidegate health`"),
        ("USER 10001:10001", "RUN id\nUSER 10001:10001", "runs a command on a base that may have no shell"),
        ("COPY --from=builder /app/code", "ADD . /app/code\nCOPY --from=builder /app/code", "adds files"),
        ("COPY --from=builder /app/packages /app/packages\n", "", "has no packages"),
        ("org.opencontainers.image.licenses", "licence", "has no label licenses"),
    ],
)
def test_a_planted_error_is_found(old: str, new: str, problem: str) -> None:
    planted = TEXT.replace(old, new)
    assert planted != TEXT
    assert any(problem in found for found in problems(planted)), problems(planted)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("WORKDIR /etc/tidegate", "WORKDIR etc/tidegate", "DL3000"),
        ("USER 10001:10001", "USER 10001:10001\nUSER root", "DL3002"),
        ("EXPOSE 8080", "EXPOSE 80800", "DL3011"),
        ('CMD ["serve"]', 'CMD ["serve"]\nCMD ["serve"]', "DL4003"),
    ],
)
def test_hadolint_finds_what_it_is_for(old: str, new: str, rule: str) -> None:
    assert rule in complaints(TEXT.replace(old, new))


def test_nothing_but_the_named_files_gets_into_the_build() -> None:
    first, *others = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    assert {line[1:] for line in others if line.startswith("!")} == {
        "LICENSE", "deploy/image", "requirements.lock", "tidegate",
    }  # fmt: skip
