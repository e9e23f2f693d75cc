"""Check the references within the configuration: from routes to providers, deployments and credentials."""

from tidegate.core.config.section import ConfigError
from tidegate.core.config.sections.providers import (
    DEFAULT_CREDENTIAL,
    OPENAI_PROVIDER,
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
