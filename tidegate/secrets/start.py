"""Reads the secrets of the configuration at the start of a process, and makes the watch over them."""

import os
from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom

import structlog

from tidegate.core.clock import Clock
from tidegate.core.config import Settings
from tidegate.core.config.secret_reference import ReferredSecret
from tidegate.core.config.secret_values import configured_secrets, with_values
from tidegate.secrets.sources.registry import SecretSources
from tidegate.secrets.watch import SecretWatch

_MAX_AT_ONCE = 8

_log = structlog.get_logger("secrets")


def with_secrets(settings: Settings, clock: Clock) -> Settings:
    """Return the settings with the secrets in place of their references. Blocks while services answer.

    Services are asked for all secrets at once, and for each place once. Raises SecretError.
    """
    sources = SecretSources(settings.secrets, os.environ, clock)
    references = {
        each.reference for each in configured_secrets(settings) if not isinstance(each.secret, ReferredSecret)
    }
    remote = [reference for reference in references if reference is not None and reference.is_remote]
    if not remote:
        return with_values(settings, lambda reference: sources.read(reference).text)
    with ThreadPoolExecutor(max_workers=min(len(remote), _MAX_AT_ONCE)) as threads:
        readings = {reference: threads.submit(sources.read, reference) for reference in remote}
        return with_values(
            settings,
            lambda reference: (readings[reference].result() if reference in readings else sources.read(reference)).text,
        )


def warn_of_secrets_in_sight(settings: Settings) -> None:
    """Log which secrets others can see: those in the configuration itself, and in the environment."""
    for each in configured_secrets(settings):
        if each.reference is None or each.reference.kind == "env":
            where = "the configuration" if each.reference is None else "the environment"
            _log.warning(
                f"a secret stands in {where}: all who may look there see it, and it turns only with a restart",
                setting=each.setting, remedy="write its place instead, such as file:PATH",
            )  # fmt: skip


def make_watch(settings: Settings, clock: Clock) -> SecretWatch:
    """Return the watch over all secrets of the configuration that come from a place."""
    secrets = [each.secret for each in configured_secrets(settings) if isinstance(each.secret, ReferredSecret)]
    sources = SecretSources(settings.secrets, os.environ, clock)
    return SecretWatch(
        secrets, sources.read, every=settings.secrets.refresh_seconds, clock=clock, random=SystemRandom()
    )
