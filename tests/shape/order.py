"""The pipeline's steps, read from its code and from ARCHITECTURE.md."""

import ast
import re
from collections.abc import Iterator

HEADINGS = {"STEPS": "Before the answer begins", "STEPS_WHILE_READ": "While the answer is read"}
"""The lists of steps in the code, and the headings under which the document lists the same."""

_ITEM = re.compile(r"^\d+\. ([^:\n]*)", re.MULTILINE)
_BOLD = re.compile(r"\*\*(\w+)\*\*")
_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```", re.MULTILINE | re.DOTALL)


def documented(markdown: str, heading: str) -> list[str]:
    """Return the bold names before the colon of each numbered item under a heading, in lower case."""
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", markdown, re.MULTILINE | re.DOTALL)
    items = _ITEM.findall(section[1]) if section else []
    return [name.lower() for item in items for name in _BOLD.findall(item)]


def drawn(markdown: str) -> set[str]:
    """Return all words of the document's first diagram."""
    diagram = _DIAGRAM.search(markdown)
    return set(re.findall(r"\w+", diagram[1])) if diagram else set()


def declared(source: str, variable: str) -> list[str]:
    """Return the names in a tuple, or the keys of a dictionary, that a module assigns to `variable`."""
    for node in ast.parse(source).body:
        target, value = _assignment(node)
        if target == variable and isinstance(value, ast.Dict | ast.Tuple):
            names = value.keys if isinstance(value, ast.Dict) else value.elts
            return [str(name.value) for name in names if isinstance(name, ast.Constant)]
    return []


def performed(source: str) -> list[str]:
    """Return the steps as `Pipeline.answer` first calls them, by `self._step` or `self._part.step`."""
    steps = set(declared(source, "STEPS"))
    seen: dict[str, None] = {}
    for attribute in sorted(_methods_called(source), key=lambda node: (node.lineno, node.col_offset)):
        name = attribute.attr.removeprefix("_")
        if name in steps:
            seen[name] = None
    return list(seen)


def disagreements(source: str, markdown: str) -> Iterator[str]:
    """Yield a complaint for each place where code and document disagree on the steps."""
    for variable, heading in HEADINGS.items():
        steps = declared(source, variable)
        if not steps:
            yield f"pipeline.py declares no {variable}"
        places = {"ARCHITECTURE.md lists": documented(markdown, heading)}
        if variable == "STEPS":
            places = {"Pipeline.answer takes": performed(source), **places}
        for what, order in places.items():
            if order != steps:
                yield f"{variable} is {_arrows(steps)}, but {what} {_arrows(order)}"
        if missing := [step for step in steps if step not in drawn(markdown)]:
            yield f"the diagram in ARCHITECTURE.md lacks {', '.join(missing)}"


def _arrows(steps: list[str]) -> str:
    return " > ".join(steps) or "nothing"


def _assignment(node: ast.stmt) -> tuple[str, ast.expr | None]:
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]), node.value
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target), node.value
    return "", None


def _methods_called(source: str) -> Iterator[ast.Attribute]:
    for kind in ast.parse(source).body:
        if not (isinstance(kind, ast.ClassDef) and kind.name == "Pipeline"):
            continue
        for method in kind.body:
            if isinstance(method, ast.AsyncFunctionDef) and method.name == "answer":
                for node in ast.walk(method):
                    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("self._"):
                        assert isinstance(node.func, ast.Attribute)
                        yield node.func
