"""Every place in the configuration that holds a secret, and the values put there for the references."""

from collections.abc import Callable, Iterator, Mapping

import msgspec
from pydantic import SecretStr

from tidegate.core.config.secret_errors import SecretError, SecretUnusable
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference, parse_reference, read_local
from tidegate.core.config.section import ConfigError
from tidegate.core.config.sections.alerts import ALERT_SECRETS
from tidegate.core.config.sections.providers import CredentialConfig
from tidegate.core.config.sections.tracing import TracingConfig
from tidegate.core.config.settings import Settings
from tidegate.core.scrub import remember_secret

ReadSecret = Callable[[SecretReference], str | None]
"""Returns the secret at a place; None to leave the reference as it is. Raises SecretError."""

_Change = Callable[[str, SecretStr | None], SecretStr | None]
"""Returns another secret for the one of a setting, or the same."""


class ConfiguredSecret(msgspec.Struct, frozen=True):
    """One place in the configuration that holds a secret."""

    setting: str
    """Its name there, such as `providers.azure.credentials.east`."""
    secret: SecretStr

    @property
    def reference(self) -> SecretReference | None:
        """The place that it comes from; None where the secret itself is configured."""
        if isinstance(self.secret, ReferredSecret):
            return self.secret.reference
        return parse_reference(self.secret.get_secret_value())


def configured_secrets(settings: Settings) -> list[ConfiguredSecret]:
    """Return every secret of the configuration, by its setting."""
    return [ConfiguredSecret(setting, secret) for setting, secret in _secrets(settings) if secret is not None]


def _secrets(settings: Settings) -> Iterator[tuple[str, SecretStr | None]]:
    yield "database_url", settings.database_url
    yield "redis_url", settings.redis_url
    yield "auth.admin_key", settings.auth.admin_key
    for name in ALERT_SECRETS:
        yield f"alerts.{name}", getattr(settings.alerts, name)
    yield "sentry.dsn", settings.sentry.dsn
    yield "upstream.api_key", settings.upstream.api_key
    yield "tracing.endpoint", settings.tracing.endpoint
    for name, header in settings.tracing.headers.items():
        yield f"tracing.headers.{name}", header
    for name, provider in settings.providers.items():
        for credential in provider.credentials:
            yield f"providers.{name}.credentials.{credential.name}", credential.configured_key


def reader_of(environ: Mapping[str, str]) -> ReadSecret:
    """Return a function that reads what is on this machine, and leaves other references as they are."""
    return lambda reference: None if reference.is_remote else read_local(reference, environ)


def with_values(settings: Settings, read: ReadSecret) -> Settings:
    """Return the settings with the secrets that `read` returns in place of their references. Raises SecretError."""
    return _map_secrets(settings, lambda setting, secret: value_of(setting, secret, read))


def _map_secrets(settings: Settings, change: _Change) -> Settings:
    alerts, auth, upstream, sentry = settings.alerts, settings.auth, settings.upstream, settings.sentry
    return settings.model_copy(
        update={
            "database_url": change("database_url", settings.database_url),
            "redis_url": change("redis_url", settings.redis_url),
            "alerts": alerts.model_copy(
                update={name: change(f"alerts.{name}", getattr(alerts, name)) for name in ALERT_SECRETS}
            ),
            "sentry": sentry.model_copy(update={"dsn": change("sentry.dsn", sentry.dsn)}),
            "auth": auth.model_copy(update={"admin_key": change("auth.admin_key", auth.admin_key)}),
            "tracing": _map_collector(settings.tracing, change),
            "upstream": upstream.model_copy(update={"api_key": change("upstream.api_key", upstream.api_key)}),
            "providers": {
                name: provider.model_copy(
                    update={"credentials": [_map_key(name, each, change) for each in provider.credentials]}
                )
                for name, provider in settings.providers.items()
            },
        }
    )


def _map_collector(tracing: TracingConfig, change: _Change) -> TracingConfig:
    headers = {name: change(f"tracing.headers.{name}", header) for name, header in tracing.headers.items()}
    return tracing.model_copy(update={"endpoint": change("tracing.endpoint", tracing.endpoint), "headers": headers})


def _map_key(provider: str, credential: CredentialConfig, change: _Change) -> CredentialConfig:
    key = change(f"providers.{provider}.credentials.{credential.name}", credential.configured_key)
    return credential.model_copy(update={"api_key": key, "api_key_env": None, "api_key_file": None})


def value_of(setting: str, secret: SecretStr | None, read: ReadSecret) -> SecretStr | None:
    """Return the secret that `read` returns, if `secret` is a reference that it reads. Raises SecretError."""
    if secret is None or isinstance(secret, ReferredSecret):
        return secret
    configured = secret.get_secret_value().strip()
    if not configured:
        raise SecretUnusable(f"The setting {setting} is empty. Write a secret, or the place of one.")
    reference = parse_reference(configured)
    if reference is None:
        return SecretStr(configured)
    try:
        text = read(reference)
    except SecretError as error:
        raise type(error)(f"{error} It is needed for {setting}.") from error
    return secret if text is None else ReferredSecret(text, reference)


def with_changed(settings: Settings, reference: SecretReference, text: str) -> Settings:
    """Return the settings with another secret of one place."""
    changed = ReferredSecret(text, reference)

    def read_again(secret: SecretStr | None) -> SecretStr | None:
        return changed if isinstance(secret, ReferredSecret) and secret.reference == reference else secret

    return _map_secrets(settings, lambda _, secret: read_again(secret))


def remember_values(settings: Settings) -> None:
    """Have all secrets that were read, or stand in the configuration, removed from logs and errors from now on."""
    for each in configured_secrets(settings):
        if isinstance(each.secret, ReferredSecret) or each.reference is None:
            remember_secret(each.setting, each.secret.get_secret_value())


def check_values(settings: Settings) -> None:
    """Raise ConfigError if a reference has no value: it must not be sent as if it were the secret."""
    for each in configured_secrets(settings):
        if each.reference is not None and not isinstance(each.secret, ReferredSecret):
            raise ConfigError(f"The setting {each.setting} refers to {each.reference}, which was not read.")
