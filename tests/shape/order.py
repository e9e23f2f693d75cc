"""The pipeline's order, read from its code and from ARCHITECTURE.md."""

import ast
import re
from collections.abc import Iterator

_ITEM = re.compile(r"^(\d+)\. \*\*(\w+)\*\*", re.MULTILINE)


def documented(markdown: str) -> list[str]:
    """The bold first words of the first numbered list, lower-cased."""
    names: list[str] = []
    for number, name in _ITEM.findall(markdown):
        if int(number) != len(names) + 1:
            break
        names.append(name.lower())
    return names


def declared(source: str) -> list[str]:
    """The names in the tuple `STEPS` at the module's top, without their underscore."""
    for node in ast.parse(source).body:
        target, value = _assignment(node)
        if target == "STEPS" and value is not None:
            return [str(step).removeprefix("_") for step in ast.literal_eval(value)]
    return []


def performed(source: str) -> list[str]:
    """The steps in the order in which `Pipeline.answer` first names them as `self._<step>`."""
    steps = set(declared(source))
    seen: dict[str, None] = {}
    for attribute in sorted(_own_attributes(source), key=lambda node: (node.lineno, node.col_offset)):
        name = attribute.attr.removeprefix("_")
        if name in steps:
            seen[name] = None
    return list(seen)


def disagreements(source: str, markdown: str) -> Iterator[str]:
    """Where the declared steps, the performed ones and the documented ones differ."""
    promised = declared(source)
    if not promised:
        yield "pipeline.py declares no STEPS"
    for what, order in (("Pipeline.answer goes", performed(source)), ("ARCHITECTURE.md tells", documented(markdown))):
        if order != promised:
            yield f"STEPS says {' > '.join(promised)}, but {what} {' > '.join(order) or 'nothing'}"


def _assignment(node: ast.stmt) -> tuple[str, ast.expr | None]:
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]), node.value
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target), node.value
    return "", None


def _own_attributes(source: str) -> Iterator[ast.Attribute]:
    for kind in ast.parse(source).body:
        if not (isinstance(kind, ast.ClassDef) and kind.name == "Pipeline"):
            continue
        for method in kind.body:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name == "answer":
                for node in ast.walk(method):
                    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":
                        yield node
