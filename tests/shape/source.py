"""Rules about one Python file: each takes its path and text and yields complaints."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

LONGEST_FILE = 400
LONGEST_FUNCTION = 50

_MARKERS = re.compile(r"#\s*(noqa|type:\s*ignore|pragma)[^#]*")
_WORD = re.compile(r"[A-Za-z']{2,}")
_BROAD = {"Exception", "BaseException"}


def long_file(path: str, text: str) -> Iterator[str]:
    """A file of more than LONGEST_FILE lines holds two things."""
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{path}: {lines} lines, {LONGEST_FILE} are allowed"


def long_functions(path: str, text: str) -> Iterator[str]:
    """A function of more than LONGEST_FUNCTION lines, from `def` to its last line, wants a name for its part."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines, {LONGEST_FUNCTION} are allowed"


def broad_excepts(path: str, text: str) -> Iterator[str]:
    """Whoever catches everything says why, on the line or the one above; a linter's marker is no reason."""
    reasons = {line for line, comment in _comments(text) if _is_reason(comment)}
    for node in ast.walk(ast.parse(text)):
        if _catches_everything(node):
            line = node.lineno  # type: ignore[attr-defined]  # handlers and calls both have one
            if not reasons & {line, line - 1}:
                yield f"{path}:{line}: catches everything without a reason beside it"


def global_statements(path: str, text: str) -> Iterator[str]:
    """State is passed, not reached for."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Global):
            yield f"{path}:{node.lineno}: global {', '.join(node.names)}"


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _is_reason(comment: str) -> bool:
    return len(_WORD.findall(_MARKERS.sub("", comment))) >= 2


def _catches_everything(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return node.type is None or _names_everything(node.type)
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return any(_names_everything(argument) for argument in node.args)
    return False


def _names_everything(node: ast.expr) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(isinstance(part, ast.Name) and part.id in _BROAD for part in parts)
