"""Reading the configuration: the file, the environment, and what to say where they cannot be used."""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import SettingsError

from tidegate.core.config.section import ConfigError
from tidegate.core.config.settings import Settings


def load(path: Path | None = None, **given: Any) -> Settings:
    """Read the configuration from `path` (default `tidegate.toml`, where there is one) and the environment.

    Raises ConfigError with a sentence that says which key, why, and what to write instead.
    """
    named = path or os.environ.get("TIDEGATE_CONFIG")
    source = Path(named or "tidegate.toml")
    if named and not source.is_file():
        raise ConfigError(f"There is no configuration file {source}.")

    class FromFile(Settings):
        toml_file = source if source.is_file() else None

    _refuse_unknown_variables(os.environ)
    try:
        settings: Settings = FromFile(**given)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error
    except SettingsError as error:
        raise ConfigError(f"The environment cannot be read ({error}); lists and sections are JSON there.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not valid TOML: {error}.") from error
    return _with_openai_key(settings)


def _with_openai_key(settings: Settings) -> Settings:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if settings.upstream.api_key is not None or not key:
        return settings
    upstream = settings.upstream.model_copy(update={"api_key": SecretStr(key)})
    return settings.model_copy(update={"upstream": upstream})


def _known_keys(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    keys: dict[str, type[BaseModel] | None] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        keys[name] = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return keys


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {"TIDEGATE_CONFIG"}
    for name, section in _known_keys(Settings).items():
        known.add(f"TIDEGATE_{name}".upper())
        if section is not None:
            known.update(f"TIDEGATE_{name}__{key}".upper() for key in _known_keys(section))
    for variable in environ:
        # a map's or a nested section's own keys follow a further "__"; those are checked by the model
        stem = "__".join(variable.split("__")[:2])
        if variable.startswith("TIDEGATE_") and stem not in known:
            raise ConfigError(f"The environment variable {variable} is no setting of Tidegate.{_nearest(stem, known)}")


def _nearest(wrong: str, known: set[str] | list[str]) -> str:
    close = difflib.get_close_matches(wrong, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]}?" if close else f" Known are: {', '.join(sorted(known))}."


def _explain(error: ValidationError) -> str:
    return "\n".join(_explain_one(item["loc"], item["type"], item["msg"]) for item in error.errors(include_input=False))


def _explain_one(location: tuple[int | str, ...], kind: str, message: str) -> str:
    where = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        return f"The setting {where} cannot be used: {message.removeprefix('Value error, ')}."
    model: type[BaseModel] | None = Settings
    for part in location[:-1]:
        model = _known_keys(model).get(str(part)) if model else None
    hint = _nearest(str(location[-1]), list(_known_keys(model))) if model else ""
    return f"The setting {where} is unknown.{hint}"
