"""Collects the bytecode of those modules of the standard library that a start of the gateway loads.

Run in the image's build: `python3 bytecode.py FOLDER BASE`, where BASE is the root of the base image. Official
and distroless images come without it, and a read-only root cannot keep what a start compiles: each start would take a
second more. What the base has is left out.
"""

import importlib
import importlib.util
import pkgutil
import py_compile
import sys
import sysconfig
from pathlib import Path

_EXTRAS = ("numpy", "opentelemetry.", "requests", "sentry_sdk", "wordllama")
"""What the image does not hold: an image of one's own adds it."""
_STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))


def collect(target: Path, base: Path) -> int:
    """Write the bytecode below `target`, each file where it belongs from the root on. Return the number of files."""
    target.mkdir(parents=True, exist_ok=True)
    _load("tidegate")
    loaded = {Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    ours = [path for path in loaded if path.suffix == ".py" and path.is_relative_to(_STANDARD_LIBRARY)]
    places = {path: Path(importlib.util.cache_from_source(str(path))).relative_to("/") for path in ours}
    missing = {path: place for path, place in places.items() if not (base / place).exists()}
    for path, place in missing.items():
        # by the source's time, not unchecked: a base with another patch release of Python must not run stale code
        py_compile.compile(
            str(path),
            cfile=str(target / place),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP,
        )
    return len(missing)


def _load(package: str) -> None:
    """Import all modules of the gateway, but not the programs among them, nor what needs an extra."""
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.endswith(".__main__"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if not (error.name or "").startswith(_EXTRAS):
                    raise


if __name__ == "__main__":
    sys.stdout.write(f"Collected {collect(Path(sys.argv[1]), Path(sys.argv[2]))} files of bytecode.\n")
