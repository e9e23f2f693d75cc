"""Reads every secret of the configuration once, and says how each of them is. Never its value."""

from collections.abc import Callable

import msgspec

from tidegate.core.config import Settings
from tidegate.core.config.secret_errors import SecretError
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.core.config.secret_values import ConfiguredSecret, configured_secrets
from tidegate.secrets.sources.reading import SecretReading, fingerprint

IN_CONFIGURATION = "the configuration itself"


class SecretStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one secret is."""

    setting: str
    place: str
    """The reference, or `IN_CONFIGURATION`."""
    version: str = ""
    created_at: float | None = None
    """When this version was made, in Unix seconds."""
    fingerprint: str = ""
    error: str = ""
    """Why it cannot be read; empty where it can."""
    probe: str = ""
    """What the provider says of an upstream key: `good`, `refused` or `unknown`."""

    @property
    def is_well(self) -> bool:
        """Whether it can be read, and no provider refuses it."""
        return not self.error and self.probe != "refused"


def check_secrets(
    settings: Settings, read: Callable[[SecretReference], SecretReading]
) -> list[tuple[SecretStatus, ReferredSecret | None]]:
    """Return the status of each secret with the secret, None where it cannot be read. Blocks while services answer."""
    return [_check(each, read) for each in configured_secrets(settings)]


def _check(
    configured: ConfiguredSecret, read: Callable[[SecretReference], SecretReading]
) -> tuple[SecretStatus, ReferredSecret | None]:
    setting, reference = configured.setting, configured.reference
    if reference is None:
        text = configured.secret.get_secret_value()
        status = SecretStatus(setting=setting, place=IN_CONFIGURATION, fingerprint=fingerprint(text))
        return status, ReferredSecret(text, SecretReference("env", setting))
    try:
        reading = read(reference)
    except SecretError as error:
        return SecretStatus(setting=setting, place=str(reference), error=str(error)), None
    status = SecretStatus(
        setting=setting,
        place=str(reference),
        version=reading.version,
        created_at=reading.created_at,
        fingerprint=fingerprint(reading.text),
    )
    return status, ReferredSecret(reading.text, reference)
