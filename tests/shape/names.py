"""Rules about names: one meaning for a class name, field words only, and packages that can be taken in at a glance."""

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

LARGEST_PACKAGE = 15
"""Modules that a package may hold side by side; beyond, it wants packages inside it."""

PRIVATE_WORDS = frozenset((Path(__file__).parent / "private_words.txt").read_text().split())
"""Words that this project once used for what the field has other names for (docs/decisions/0038)."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+")


def twice_defined_classes(sources: Mapping[str, str]) -> Iterator[str]:
    """A class name has one meaning in the whole package."""
    homes: dict[str, list[str]] = defaultdict(list)
    for path, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(path)
    for name, paths in sorted(homes.items()):
        if len(paths) > 1:
            yield f"{name}: is a class in {', '.join(sorted(paths))}"


def crowded_packages(modules: Collection[str], flat: Collection[str] = ()) -> Iterator[str]:
    """A package holds at most LARGEST_PACKAGE modules; `__init__` and `__main__` do not count.

    Packages in `flat` may hold more, each with its reason beside it.
    """
    sizes: dict[str, int] = defaultdict(int)
    for module in modules:
        path = PurePosixPath(module)
        sizes[str(path.parent)] += not path.name.startswith("__")
    for package, size in sorted(sizes.items()):
        if size > LARGEST_PACKAGE and package not in flat:
            yield f"{package}: holds {size} modules, {LARGEST_PACKAGE} are allowed"


def private_words(path: str, text: str, allowed: Collection[str]) -> Iterator[str]:
    """No module, class or field is named with a word that only this project would use so.

    `allowed` holds names that are exempt, each with its reason beside it.
    """
    for name in (PurePosixPath(path).stem, *_class_and_field_names(ast.parse(text))):
        words = {word.lower() for word in _WORD.findall(name)}
        if (found := words & PRIVATE_WORDS) and name not in allowed:
            yield f"{path}: {name} is named with the private word {', '.join(sorted(found))}"


def _class_and_field_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    yield statement.target.id
