"""Rules about the tree as a whole: which files there are, and what must not stand in them."""

import re
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

# a letter in brackets, so that this file does not break its own rule
_INDEX_HOST = re.compile(
    r"py[p]i\.org|python[h]osted\.org|registry\.npm[j]s|deb\.debi[a]n|index-url[= ]+[a-z]+:", re.IGNORECASE
)
_MACHINE_PATH = re.compile(r"(?<![\w.~/*-])/(?:work|root|home|Users|opt|mnt|tmp)/\w")
_SHAPELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


def files(root: Path) -> Iterator[Path]:
    """All files of the project below `root`, without what `.gitignore` names."""
    ignored = [line.rstrip("/") for line in (root / ".gitignore").read_text().split()] + [".git"]
    for path in sorted(root.iterdir()):
        yield from _below(path, ignored)


def _below(path: Path, ignored: list[str]) -> Iterator[Path]:
    if any(fnmatch(path.name, pattern) for pattern in ignored) or path.is_symlink():
        return
    if path.is_dir():
        for child in sorted(path.iterdir()):
            yield from _below(child, ignored)
    else:
        yield path


def machine_text(path: str, text: str) -> Iterator[str]:
    """The project names no package index and no path of the machine it was written on."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _INDEX_HOST.search(line):
            yield f"{path}:{number}: names a package index"
        if _MACHINE_PATH.search(line):
            yield f"{path}:{number}: names a path of one machine"


def shapeless_names(modules: Collection[str]) -> Iterator[str]:
    """A module is named for what it does; `utils` does everything."""
    for module in modules:
        if _SHAPELESS & set(PurePosixPath(module).with_suffix("").parts):
            yield f"{module}: a name that says nothing"


def modules_without_test(modules: Collection[str], tests: Collection[str], excused: Mapping[str, str]) -> Iterator[str]:
    """Each `tidegate/x/y.py` has its `tests/x/test_y.py`; an excuse gives its reason and is no longer than needed."""
    for module in modules:
        path = PurePosixPath(module)
        if path.name.startswith("__"):
            continue
        expected = str(PurePosixPath("tests", *path.parts[1:-1], f"test_{path.name}"))
        if expected not in tests and module not in excused:
            yield f"{module}: {expected} is missing"
        if expected in tests and module in excused:
            yield f"{module}: is excused from a test that it has"
    for module in excused:
        if module not in modules:
            yield f"{module}: is excused but does not exist"
