"""Images that stand in for the ones of a registry, of Debian's packages: the two bases and both stores."""

import subprocess
from pathlib import Path

from tests.image.engine import Engine

SLIM = "tidegate-stand-in:slim"
SHELL_LESS = "tidegate-stand-in:shell-less"
HERE = Path(__file__).parent / "stand_ins"
_PACKAGES = "usr-is-merged,python3,python3-venv,python-is-python3,ca-certificates,netbase,tzdata"
_LEFT_OUT = ("man", "doc", "locale")


def build(engine: Engine) -> None:
    """Build those that the engine does not have."""
    if not engine.has_image(SLIM):
        engine.docker("import", "--change", 'CMD ["python3"]', str(_slim(engine.folder)), SLIM)
    if not engine.has_image(SHELL_LESS):
        archive = engine.folder / "shell-less.tar"
        script = f"{HERE}:/stand_ins:ro"
        with_script = (
            "run",
            "--rm",
            "--network",
            "none",
            "--volume",
            script,
            "--volume",
            f"{engine.folder}:/out",
            SLIM,
        )
        engine.docker(*with_script, "python3", "/stand_ins/shell_less.py", f"/out/{archive.name}")
        engine.docker("import", str(archive), SHELL_LESS)
    for store in ("postgres", "redis"):
        if not engine.has_image(f"tidegate-stand-in:{store}"):
            file = str(HERE / "stores.Dockerfile")
            engine.build(HERE, "--target", store, "--file", file, "--tag", f"tidegate-stand-in:{store}")


def _slim(folder: Path) -> Path:
    archive = folder / "slim.tar"
    if not archive.exists():
        options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
        hooks = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
        command = ("mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", hooks, *options)
        recommends = '--aptopt=APT::Install-Recommends "false"'
        part = archive.with_suffix(".part.tar")
        subprocess.run([*command, recommends, "bookworm", str(part)], check=True, capture_output=True)
        part.rename(archive)
    return archive
