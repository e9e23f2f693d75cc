"""Read the configuration from the file and the environment, and explain what is wrong with it."""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from tidegate.core.config.environment import honoured_source
from tidegate.core.config.listening_address import reject_listening_address
from tidegate.core.config.platform import grace_seconds
from tidegate.core.config.references import check_references
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.core.config.secret_values import reader_of, remember_values, with_values
from tidegate.core.config.section import ConfigError
from tidegate.core.config.settings import Settings
from tidegate.core.config.unknown import Location, new_name, reject_unknown_variables, sibling_keys, suggestion


def load(path: Path | None = None, *, with_secrets: bool = True, **overrides: Any) -> Settings:
    """Read the configuration from `path` (default: `tidegate.toml`, if it exists) and the environment.

    `with_secrets` also reads the secrets that the configuration refers to and that are on this machine; only what
    serves needs them all. `tidegate.secrets` reads those of services.

    Raises ConfigError with a sentence that says which key is wrong, why, and what to write instead.
    """
    explicit_path = path or os.environ.get("TIDEGATE_CONFIG")
    source = Path(explicit_path or "tidegate.toml")
    if explicit_path and not source.is_file():
        raise ConfigError(f"There is no configuration file {source}.")

    class FromFile(Settings):
        toml_file = source if source.is_file() else None

    reject_unknown_variables(os.environ)
    try:
        settings: Settings = FromFile(**overrides)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error
    except SettingsError as error:
        raise ConfigError(f"The environment cannot be read ({error}); lists and sections are JSON there.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not valid TOML: {error}.") from error
    check_references(settings)
    settings = _on_this_platform(settings)
    if with_secrets:
        reject_listening_address(settings, os.environ)
        settings = with_values(with_openai_key(settings), reader_of(os.environ))
    remember_values(settings)
    return settings


def with_openai_key(settings: Settings) -> Settings:
    """Return the settings with the key of `OPENAI_API_KEY`, if no other one is configured."""
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if settings.upstream.api_key is not None or not key:
        return settings
    secret = ReferredSecret(key, SecretReference("env", "OPENAI_API_KEY"))
    return settings.model_copy(update={"upstream": settings.upstream.model_copy(update={"api_key": secret})})


def _on_this_platform(settings: Settings) -> Settings:
    if settings.server.grace_seconds is not None:
        return settings
    seconds = grace_seconds(os.environ, Path("/"))
    return settings.model_copy(update={"server": settings.server.model_copy(update={"grace_seconds": seconds})})


def _explain(error: ValidationError) -> str:
    return "\n".join(_explain_one(item["loc"], item["type"], item["msg"], item["input"]) for item in error.errors())


def _explain_one(location: Location, kind: str, message: str, value: Any) -> str:
    where = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        variable = honoured_source(location, value, os.environ)
        origin = f" from the environment variable {variable}" if variable else ""
        return f"The setting {where}{origin} cannot be used: {message.removeprefix('Value error, ')}."
    hint = new_name(location) or suggestion(str(location[-1]), sibling_keys(location))
    return f"The setting {where} is unknown.{hint}"
