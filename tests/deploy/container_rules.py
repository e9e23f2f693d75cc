"""What a container of Tidegate keeps on every platform: each rule yields a sentence for each breach."""

import re
from collections.abc import Iterator, Mapping
from unittest import mock

import msgspec

from tidegate.core import config
from tidegate.core.config import ConfigError

_SECRET_NAME = re.compile(r"KEY|PASSWORD|SECRET|TOKEN|CREDENTIAL")
_IN_CLEAR = re.compile(r"sk-\w|://[^/@\s]*:[^/@\s]+@")
_VERSION = re.compile(r":v?\d+\.\d+[\w.-]*$|@sha256:[0-9a-f]{64}$")
_ADDRESSES = ("TIDEGATE_DATABASE_URL", "TIDEGATE_REDIS_URL")
_PLACES = {"TIDEGATE_DATABASE_URL": "postgresql://u@db/t", "TIDEGATE_REDIS_URL": "rediss://cache:6380/0"}
"""Addresses that stand for secrets whose values a file does not have."""
_PATHS = {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
_RESTART_SECONDS = 20
"""A gateway that is busy for less is not restarted."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A health check of the platform."""

    path: str | None
    port: int | None
    period: int = 10
    timeout: int = 1
    failures: int = 3


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A container as a platform's file describes it."""

    image: str
    port: int | None
    variables: Mapping[str, str]
    """The variables that stand in the file."""
    secrets: frozenset[str]
    """The variables whose values come from the platform's store of secrets."""
    folders: frozenset[str] = frozenset()
    """Where secrets are mounted."""
    probes: Mapping[str, Probe] = {}
    stop_seconds: int
    """For which the platform waits between SIGTERM and SIGKILL."""


def gateway_problems(gateway: Container) -> Iterator[str]:
    """Yield the breaches of a container that serves."""
    yield from container_problems(gateway)
    yield from _probes(gateway)
    yield from _grace(gateway)
    for name in _ADDRESSES:
        if name not in gateway.secrets:
            yield f"{name} is not a secret"
    if "TIDEGATE_AUTH__ADMIN_KEY" not in gateway.variables:
        yield "there is no way to the first key"


def container_problems(container: Container) -> Iterator[str]:
    """Yield the breaches of any container of Tidegate, such as a job that migrates."""
    if not _VERSION.search(container.image):
        yield f"the image {container.image} has no version"
    yield from secrets_in_clear(container.variables)
    yield from _places(container)
    yield from _configuration(container)


def secrets_in_clear(variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that hold a secret, and not the place of one."""
    for name, value in variables.items():
        names_a_place = "_file" in value.lower() or value.startswith(("file:", "env:")) or name.endswith("_FILE")
        if _IN_CLEAR.search(value) or (_SECRET_NAME.search(name) and not names_a_place):
            yield f"has a secret in {name}"


def most_connections(container: Container, replicas: int) -> int:
    """Return how many connections to PostgreSQL so many replicas may open; 0 where they do not start."""
    try:
        settings = _settings_of(container)
    except ConfigError:
        return 0
    return replicas * settings.server.workers * settings.database.pool_size


def _settings_of(container: Container) -> config.Settings:
    """Return the configuration that the gateway reads there. Raises ConfigError."""
    secrets = {name: _PLACES.get(name, "x" * 32) for name in container.secrets}
    with mock.patch.dict("os.environ", {**container.variables, **secrets}, clear=True):
        return config.load(with_secrets=False)


def _configuration(container: Container) -> Iterator[str]:
    try:
        settings = _settings_of(container)
    except ConfigError as error:
        yield f"does not start: {error}"
        return
    if container.port is not None and settings.server.port != container.port:
        yield f"listens on {settings.server.port}, and is asked on {container.port}"


def _places(container: Container) -> Iterator[str]:
    """A file that the configuration names is one that is mounted."""
    for name, value in container.variables.items():
        for place in re.findall(r"(?:file:|\"|^)(/[\w/.-]+)", value):
            if not any(place.startswith(f"{folder}/") for folder in container.folders):
                yield f"{name} names {place}, where nothing is mounted"


def _probes(gateway: Container) -> Iterator[str]:
    for kind, path in _PATHS.items():
        probe = gateway.probes.get(kind)
        if probe is None:
            yield f"has no {kind} probe"
            continue
        if probe.path != path:
            yield f"the {kind} probe asks {probe.path}, not {path}"
        if probe.port != gateway.port:
            yield f"the {kind} probe asks port {probe.port}, not {gateway.port}"
        if probe.timeout > probe.period:
            yield f"the {kind} probe waits longer than until the next"
        if kind == "liveness" and probe.period * probe.failures < _RESTART_SECONDS:
            yield f"is restarted after {probe.period * probe.failures} s without an answer"


def _grace(gateway: Container) -> Iterator[str]:
    grace = gateway.variables.get("TIDEGATE_SERVER__GRACE_SECONDS")
    if grace is None:
        yield "the grace is not set"
    elif int(grace) >= gateway.stop_seconds:
        yield f"is killed after {gateway.stop_seconds} s, within its grace of {grace} s"
