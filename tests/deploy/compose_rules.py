"""What a compose file of ours keeps, beyond the schema: each rule yields a sentence for each breach."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.deploy.container_rules import secrets_in_clear

Stack = Mapping[str, Any]

STORES = ("postgres", "redis")
_PINNED = re.compile(r":\d+\.\d+[\w.-]*$|@sha256:[0-9a-f]{64}$")
_CHOSEN = re.compile(r"\$\{[A-Z_]+:-(?P<image>.+)\}")
"""A variable, which may name a digest, and what is used without it."""
_SECONDS = {"s": 1, "m": 60}


def problems(stack: Stack, root: Path) -> list[str]:
    """Return the breaches of all rules; `root` is the folder of the compose file."""
    found = [*_networks(stack), *_grace(stack["services"]["gateway"]), *_jobs(stack)]
    for name, service in stack["services"].items():
        for rule in (_ports, _hardening, _environment, _image, _waits):
            found += [f"{name}: {problem}" for problem in rule(service, stack)]
        found += [f"{name}: {problem}" for problem in _mounts(service, root)]
    return found


def _networks(stack: Stack) -> Iterator[str]:
    if (stack["networks"].get("back") or {}).get("internal") is not True:
        yield "the network back is not internal"
    for store in STORES:
        if stack["services"][store]["networks"] != ["back"]:
            yield f"{store}: is not on the network back alone"


def _ports(service: Stack, _: Stack) -> Iterator[str]:
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"publishes {port} beyond loopback"


def _hardening(service: Stack, _: Stack) -> Iterator[str]:
    if service.get("read_only") is not True:
        yield "has a writable root"
    if service.get("cap_drop") != ["ALL"] or "cap_add" in service:
        yield "has capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []) or service.get("privileged"):
        yield "may gain privileges"


def _environment(service: Stack, _: Stack) -> Iterator[str]:
    yield from secrets_in_clear({name: str(value) for name, value in service.get("environment", {}).items()})


def _image(service: Stack, _: Stack) -> Iterator[str]:
    images = service["build"]["args"].values() if "build" in service else [service["image"]]
    for image in images:
        chosen = _CHOSEN.fullmatch(image)
        if chosen is None:
            yield f"the image {image} cannot be chosen by digest"
        elif not _PINNED.search(chosen["image"]):
            yield f"the image {chosen['image']} is not pinned"


def _waits(service: Stack, stack: Stack) -> Iterator[str]:
    for other, condition in service.get("depends_on", {}).items():
        checked = "healthcheck" in stack["services"][other]
        if condition["condition"] == "service_healthy" and not checked:
            yield f"waits for the health of {other}, which has no check"
        if other in STORES and condition["condition"] != "service_healthy":
            yield f"does not wait until {other} answers"


def _mounts(service: Stack, root: Path) -> Iterator[str]:
    for mount in service.get("volumes", []):
        source, _, target = str(mount).partition(":")
        if not source.startswith("."):
            continue
        if not (root / source).is_dir():
            yield f"mounts {source}, which is no folder"
        if not target.endswith(":ro"):
            yield f"may write to {source}"
    if "secrets" in service:
        yield "mounts single secrets"


def _grace(gateway: Stack) -> Iterator[str]:
    waits = _seconds(gateway.get("stop_grace_period", "10s"))
    if waits <= int(gateway["environment"].get("TIDEGATE_SERVER__GRACE_SECONDS", 30)):
        yield f"gateway: is killed after {waits} s, within its grace"


def _seconds(text: str) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]


def _jobs(stack: Stack) -> Iterator[str]:
    """The gateway starts on a schema that is up to date, and no job is started again and again."""
    services = stack["services"]
    if services["gateway"].get("depends_on", {}).get("migrate") != {"condition": "service_completed_successfully"}:
        yield "gateway: does not wait for the migration"
    for name in ("migrate", "first-key"):
        if services[name].get("restart") != "no":
            yield f"{name}: is restarted"
