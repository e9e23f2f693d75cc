"""Which test files a change touches: `make changed` runs them.

A changed test file is run. A module is covered by its own test file and by each test file that imports it. If there is
none, the tests that import it by way of other files cover it, and they cover a helper of the tests. A `conftest.py` and
a file that is not Python are covered by the tests of their folder. The files of `ALWAYS` look at the tree as a whole:
any change touches them.
"""

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from tests.shape import tree

ROOT = Path(__file__).parents[2]
ALWAYS = {"tests/test_shape.py", "tests/test_docs.py"}


def touched(changed: Collection[str], sources: Mapping[str, str]) -> list[str]:
    """Return the test files to run, sorted; `sources` has the text of each Python file of the project by its path."""
    tests = {path for path in sources if _is_test(path)}
    importers = _importers(sources, known={*sources, *changed})
    chosen = ALWAYS & tests if changed else set()
    todo, done = set(changed), set()
    while todo:
        path = todo.pop()
        done.add(path)
        if path in tests:
            chosen.add(path)
        else:
            todo |= _touched_by(path, tests, importers) - done
    return sorted(chosen)


def _touched_by(path: str, tests: set[str], importers: Mapping[str, set[str]]) -> set[str]:
    """Return what one changed file, no test itself, touches: tests, and helpers of tests to look at in turn."""
    place = PurePosixPath(path)
    if place.suffix != ".py" or place.name == "conftest.py":
        return _of_folder(place, tests)
    own = str(PurePosixPath("tests", *place.parts[1:-1], f"test_{place.name}"))
    covering = (importers.get(path, set()) | {own}) & tests if place.parts[0] == "tidegate" else set()
    return covering or {above for above in _above(path, importers) if above.startswith("tests/")}


def _above(path: str, importers: Mapping[str, set[str]]) -> set[str]:
    """Return the files that import a file, and those that import these, and so on."""
    found: set[str] = set()
    todo = {path}
    while todo:
        todo = {importer for file in todo for importer in importers.get(file, set())} - found
        found |= todo
    return found


def _of_folder(place: PurePosixPath, tests: set[str]) -> set[str]:
    """Return the tests of the file's folder, or of the nearest folder above it that has some."""
    if place.parts[0] not in ("tidegate", "tests"):
        return set()
    folder = PurePosixPath("tests", *place.parts[1:-1])
    for above in (folder, *folder.parents):
        if found := {test for test in tests if PurePosixPath(test).is_relative_to(above)}:
            return found
    return set()


def _is_test(path: str) -> bool:
    return path.startswith("tests/") and PurePosixPath(path).match("test_*.py")


def _importers(sources: Mapping[str, str], known: Collection[str]) -> dict[str, set[str]]:
    """Return the files that import each file, by its path."""
    importers: dict[str, set[str]] = {}
    for path, text in sources.items():
        for imported in _imports(text, known):
            importers.setdefault(imported, set()).add(path)
    return importers


def _imports(text: str, known: Collection[str]) -> Iterator[str]:
    """Yield the paths of the project's files that a text imports."""
    for node in ast.walk(ast.parse(text)):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [(alias.name,) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
        for candidates in names:
            yield from _first_file(candidates, known)


def _first_file(names: Collection[str], known: Collection[str]) -> Iterator[str]:
    """Yield the file of the first of these modules that is one of the project's."""
    for name in names:
        path = name.replace(".", "/")
        for file in (f"{path}.py", f"{path}/__init__.py"):
            if file in known:
                yield file
                return


def _changed_since(base: str) -> list[str]:
    """Return the files that differ from the commit `base`, new ones included. Raises CalledProcessError without it."""
    commands = (["diff", "--name-only", base, "--"], ["ls-files", "--others", "--exclude-standard"])
    told = [
        subprocess.run(["git", "-C", ROOT, *command], check=True, stdout=subprocess.PIPE, text=True).stdout
        for command in commands
    ]
    return "".join(told).splitlines()


if __name__ == "__main__":
    paths = {str(path.relative_to(ROOT)): path for path in tree.files(ROOT) if path.suffix == ".py"}
    texts = {name: path.read_text() for name, path in paths.items()}
    sys.stdout.writelines(f"{test}\n" for test in touched(_changed_since(sys.argv[1]), texts))
