"""Check the references within the configuration: from routes to providers, and from credentials to their keys."""

from collections.abc import Mapping

from pydantic import SecretStr

from tidegate.core.config.section import ConfigError
from tidegate.core.config.sections.providers import (
    DEFAULT_CREDENTIAL,
    OPENAI_PROVIDER,
    CredentialConfig,
    ProviderConfig,
)
from tidegate.core.config.sections.routes import TargetConfig
from tidegate.core.config.settings import Settings
from tidegate.core.config.unknown import suggestion


def check_references(settings: Settings) -> None:
    """Raise ConfigError for a target with an unknown provider, deployment or credential, and for a missing key."""
    providers = settings.all_providers
    for name, provider in settings.providers.items():
        if provider.kind == "openai" and name != OPENAI_PROVIDER and not provider.credentials:
            raise ConfigError(f"The setting providers.{name} has no credentials, and OpenAI needs a key.")
    for model, route in settings.routes.items():
        for number, target in enumerate(route.targets):
            where = f"routes.{model}.targets.{number}"
            if target.provider not in providers:
                hint = suggestion(target.provider, list(providers))
                raise ConfigError(
                    f"The setting {where} names the provider {target.provider!r}, which does not exist.{hint}"
                )
            _check_deployment(where, target, providers[target.provider])
            _check_credentials(where, target, providers[target.provider])
    openai = settings.providers.get(OPENAI_PROVIDER)
    if openai is not None and openai.credentials:
        _check_one_openai(settings)


def _check_deployment(where: str, target: TargetConfig, provider: ProviderConfig) -> None:
    deployments = provider.deployments
    if deployments and target.model is not None and target.model not in {*deployments, *deployments.values()}:
        hint = suggestion(target.model, list(deployments))
        raise ConfigError(f"The setting {where} names the model {target.model!r}, which has no deployment.{hint}")


def _check_credentials(where: str, target: TargetConfig, provider: ProviderConfig) -> None:
    known = [credential.name for credential in provider.credentials] or [DEFAULT_CREDENTIAL]
    for name in target.credentials:
        if name not in known:
            raise ConfigError(
                f"The setting {where} names the credential {name!r}, which {target.provider} does not have."
                f"{suggestion(name, known)}"
            )


def _check_one_openai(settings: Settings) -> None:
    if settings.upstream.api_key is not None:
        raise ConfigError(
            "Keys are set in upstream.api_key and in providers.openai.credentials, and both mean the provider "
            "`openai`. Move the first one into the list."
        )


def with_resolved_keys(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return the settings with the keys that they only refer to. Raises ConfigError for a missing key."""
    key = environ.get("OPENAI_API_KEY", "").strip()
    upstream = settings.upstream
    if upstream.api_key is None and key:
        upstream = upstream.model_copy(update={"api_key": SecretStr(key)})
    providers = {
        name: provider.model_copy(
            update={"credentials": [_with_key(name, credential, environ) for credential in provider.credentials]}
        )
        for name, provider in settings.providers.items()
    }
    return settings.model_copy(update={"upstream": upstream, "providers": providers})


def _with_key(provider: str, credential: CredentialConfig, environ: Mapping[str, str]) -> CredentialConfig:
    if credential.api_key is not None:
        key, where = credential.api_key.get_secret_value().strip(), "api_key"
    elif credential.api_key_env is not None:
        key, where = environ.get(credential.api_key_env, "").strip(), f"environment variable {credential.api_key_env}"
    else:
        key, where = _read_key(provider, credential), f"file {credential.api_key_file}"
    if not key:
        raise ConfigError(
            f"The credential {credential.name} of providers.{provider} has no key: its {where} is missing or empty."
        )
    return credential.model_copy(update={"api_key": SecretStr(key)})


def _read_key(provider: str, credential: CredentialConfig) -> str:
    assert credential.api_key_file is not None  # noqa: S101  # the one source left
    try:
        return credential.api_key_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(
            f"The key of the credential {credential.name} of providers.{provider} cannot be read from "
            f"{credential.api_key_file}: {reason}."
        ) from error
