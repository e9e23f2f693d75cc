"""The page of all configuration keys, written from the classes of the configuration: `make reference`."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tidegate.core.config import Settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
HEAD = Path(__file__).parent / "configuration_head.md"

_TITLES = {"providers": "providers.NAME", "passthrough": "passthrough", "routes": 'routes."MODEL"'}
_GUIDES = {
    "websocket": "websocket",
    "realtime": "realtime",
    "providers": "routes",
    "routes": "routes",
    "cache": "caching",
    "semantic": "semantic-cache",
    "budgets": "limits",
    "queue": "queue",
    "breaker": "outages",
    "retries": "outages",
    "background": "background",
    "monitoring": "metrics",
    "alerts": "alerts",
    "metrics": "metrics",
    "tracing": "tracing",
}
_UNITS = {
    "_seconds": "s", "_bytes": "bytes", "usd_per_day": "USD", "usd_per_month": "USD", "_per_second": "tokens/s",
    "rpm": "requests/min", "tpm": "tokens/min", "_ratio": "0 to 1",
    "input": "USD per million tokens", "cached": "USD per million tokens", "output": "USD per million tokens",
}  # fmt: skip
_STANDALONE = {"database_url": "TIDEGATE_DATABASE_URL", "redis_url": "TIDEGATE_REDIS_URL"}


def configuration_page() -> str:
    """Return the page: a section for each table of the file, a row for each key."""
    sections = {name: model for name, field in Settings.model_fields.items() if (model := _model_of(field))}
    top = [_row(name, field, _docstrings(Settings)) for name, field in Settings.model_fields.items()
           if name not in sections and name not in _STANDALONE]  # fmt: skip
    lines = [HEAD.read_text(), *_table(top)]
    for name, model in sections.items():
        lines += _section(f"## [{_TITLES.get(name, name)}]", name, model)
    return "\n".join(lines).rstrip() + "\n"


def _section(heading: str, name: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"{heading}\n"
    guide = f" Guide: [{_GUIDES[name]}](../guides/{_GUIDES[name]}.md)." if name in _GUIDES else ""
    yield f"{' '.join((model.__doc__ or '').split())}{guide}\n"
    docstrings = _docstrings(model)
    yield from _table([_row(key, field, docstrings) for key, field in model.model_fields.items()])
    for key, field in model.model_fields.items():
        if inner := _model_of(field):
            yield from _section(f"### {key}", f"{name}.{key}", inner)


def _table(rows: list[str]) -> Iterator[str]:
    yield "| key | default | unit | |"
    yield "|---|---|---|---|"
    yield from rows
    yield ""


def _row(key: str, field: FieldInfo, docstrings: dict[str, str]) -> str:
    text = docstrings.get(key, "").replace("|", "\\|")
    unit = next((unit for ending, unit in _UNITS.items() if key == ending or key.endswith(ending)), "")
    if choices := _choices(field):
        text = f"{text} One of {choices}.".strip()
    return f"| `{key}` | {_default(field, unit)} | {unit} | {text} |"


def _choices(field: FieldInfo) -> str:
    kinds = [field.annotation, *get_args(field.annotation)]
    return ", ".join(f"`{choice}`" for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind))


def _default(field: FieldInfo, unit: str) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default in ([], {}):
        return "-"
    if isinstance(default, BaseModel):
        return "below"
    return _value(default, unit)


def _value(default: Any, unit: str = "") -> str:
    mebibytes = 1024 * 1024
    if unit == "bytes" and default % mebibytes == 0:
        return f"`{default}` ({default // mebibytes} MiB)"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list | tuple):
        return ", ".join(_value(each) for each in default)
    if isinstance(default, float | Decimal):
        return f"`{float(default):g}`"
    return f"`{default}`"


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            found[field.target.id] = " ".join(str(below.value.value).split())  # type: ignore[attr-defined]  # `is_text`
    return found


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kinds = [field.annotation, *get_args(field.annotation)]
    kinds += [argument for kind in kinds for argument in get_args(kind)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


if __name__ == "__main__":
    PAGE.write_text(configuration_page())
