"""What was meant by a key that does not exist: the nearest one that does, wherever it stands."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from tidegate.core.config.section import ConfigError
from tidegate.core.config.settings import Settings

Location = tuple[int | str, ...]


def suggestion(wrong: str, known: Collection[str]) -> str:
    """A sentence that names what was meant, or all there is."""
    close = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.5)
    if close:
        return f" Did you mean {close[0]}?"
    return f" Known are: {', '.join(sorted(known))}." if known else ""


def sibling_keys(location: Location) -> list[str]:
    """The keys that a table of the configuration knows where `location` names another; empty for any key."""
    kind: Any = Settings
    for part in location[:-1]:
        kind = _inside(kind, str(part))
    model = _model(kind)
    return list(model.model_fields) if model else []


def reject_unknown_variables(environ: Mapping[str, str]) -> None:
    """Raises ConfigError for a variable of ours that is no setting."""
    known = {"TIDEGATE_CONFIG", *_names(Settings)}
    for variable in environ:
        if not variable.startswith("TIDEGATE_"):
            continue
        parts = variable.split("__")
        stem = "__".join(parts[:2])
        if stem not in known and not _is_in_a_map(parts):
            raise ConfigError(
                f"The environment variable {variable} is no setting of Tidegate.{suggestion(stem, known)}"
            )
        _refuse_deeper(variable, parts)


def _is_in_a_map(parts: list[str]) -> bool:
    first = parts[0].removeprefix("TIDEGATE_").lower()
    return len(parts) > 1 and get_origin(_bare(_inside(Settings, first))) is dict


def _refuse_deeper(variable: str, parts: list[str]) -> None:
    """Where a part is no key of the table that it is in."""
    kind: Any = _inside(Settings, parts[0].removeprefix("TIDEGATE_").lower())
    for number, part in enumerate(parts[1:], start=1):
        model = _model(kind)
        if model and part.lower() not in model.model_fields:
            known = ["__".join([*parts[:number], name.upper()]) for name in model.model_fields]
            wrong = "__".join(parts[: number + 1])
            raise ConfigError(
                f"The environment variable {variable} is no setting of Tidegate.{suggestion(wrong, known)}"
            )
        kind = _inside(kind, part.lower())


def _names(settings: type[BaseModel]) -> Iterable[str]:
    """The variables of all sections and of their keys."""
    for name in settings.model_fields:
        yield f"TIDEGATE_{name}".upper()
        model = _model(_inside(settings, name))
        yield from (f"TIDEGATE_{name}__{key}".upper() for key in (model.model_fields if model else ()))


def _inside(kind: Any, part: str) -> Any:
    """What stands under a key of a table, in a map or in a list; None where nothing is known of it."""
    kind = _bare(kind)
    if model := _model(kind):
        field = model.model_fields.get(part)
        return field.annotation if field else None
    arguments = get_args(kind)
    return {dict: arguments[1:2], list: arguments[:1]}.get(get_origin(kind), (None,))[0] if arguments else None


def _model(kind: Any) -> type[BaseModel] | None:
    kind = _bare(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _bare(kind: Any) -> Any:
    """Without the None that it may be instead."""
    if get_origin(kind) in (Union, UnionType):
        return next(each for each in get_args(kind) if each is not NoneType)
    return kind
