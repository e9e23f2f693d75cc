"""compose.yaml keeps the schema of compose files and our own rules, and each rule finds the error that it is for."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.deploy.compose_rules import problems

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose.yaml"
Stack = dict[str, Any]


def read() -> Stack:
    """Return the stack as the file says it."""
    stack = msgspec.yaml.decode(FILE.read_bytes())
    assert isinstance(stack, dict)
    return msgspec.yaml.decode(msgspec.yaml.encode(stack))  # type: ignore[no-any-return]  # services share no values


def follows_schema(file: Path) -> bool:
    """Whether the published schema of compose files accepts it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_the_file_keeps_every_rule() -> None:
    assert problems(read(), ROOT) == []
    assert follows_schema(FILE)


def put(*path: str, value: Any) -> Callable[[Stack], None]:
    """Set one value of the stack."""

    def change(stack: Stack) -> None:
        for name in path[:-1]:
            stack = stack[name]
        stack[path[-1]] = value

    return change


def of(service: str, key: str, value: Any) -> Callable[[Stack], None]:
    """Set one value of a service."""
    return put("services", service, key, value=value)


def environment(service: str, name: str, value: str) -> Callable[[Stack], None]:
    """Set one variable of a service."""
    return put("services", service, "environment", name, value=value)


def build_argument(name: str, value: str) -> Callable[[Stack], None]:
    """Set one argument of the gateway's build."""
    return put("services", "gateway", "build", "args", name, value=value)


def test_without_a_choice_the_bases_are_the_dockerfiles() -> None:
    """Compose gives each argument a value, so the defaults stand in both files."""
    default = re.search(r"^ARG BUILDER=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert default is not None
    arguments = read()["services"]["gateway"]["build"]["args"]
    assert set(arguments) == {"BUILDER", "BASE"}
    assert all(value.endswith(f":-{default[1]}}}") for value in arguments.values())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (of("gateway", "ports", ["8080:8080"]), "gateway: publishes 8080:8080 beyond loopback"),
        (of("gateway", "ports", ["0.0.0.0:8080:8080"]), "gateway: publishes 0.0.0.0:8080:8080 beyond loopback"),
        (of("redis", "ports", ["6379:6379"]), "redis: publishes 6379:6379 beyond loopback"),
        (put("networks", "back", value={}), "the network back is not internal"),
        (put("networks", "back", value=None), "the network back is not internal"),
        (of("redis", "networks", ["front", "back"]), "redis: is not on the network back alone"),
        (of("gateway", "stop_grace_period", "50s"), "gateway: is killed after 50 s, within its grace"),
        (environment("gateway", "TIDEGATE_SERVER__GRACE_SECONDS", "60"), "gateway: is killed after 60 s"),
        (of("gateway", "volumes", ["./secrets/.gitignore:/run/secrets/key:ro"]), "which is no folder"),
        (of("gateway", "volumes", ["./secrets:/run/secrets"]), "gateway: may write to ./secrets"),
        (of("gateway", "secrets", ["openai"]), "gateway: mounts single secrets"),
        (environment("gateway", "OPENAI_API_KEY", "abc"), "gateway: has a secret in OPENAI_API_KEY"),
        (environment("postgres", "POSTGRES_PASSWORD", "x"), "postgres: has a secret in POSTGRES_PASSWORD"),
        (
            environment("gateway", "TIDEGATE_REDIS_URL", "redis://:x@redis"),
            "gateway: has a secret in TIDEGATE_REDIS_URL",
        ),
        (of("postgres", "image", "${IMAGE:-postgres}"), "postgres: the image postgres is not pinned"),
        (of("postgres", "image", "${IMAGE:-postgres:17}"), "postgres: the image postgres:17 is not pinned"),
        (of("redis", "image", "${IMAGE:-redis:latest}"), "redis: the image redis:latest is not pinned"),
        (of("redis", "image", "redis:7.4.5"), "redis: the image redis:7.4.5 cannot be chosen by digest"),
        (build_argument("BASE", "python:3.11-slim"), "gateway: the image python:3.11-slim cannot be chosen by digest"),
        (build_argument("BASE", "${BASE:-python:3}"), "gateway: the image python:3 is not pinned"),
        (of("gateway", "read_only", "no"), "gateway: has a writable root"),
        (of("redis", "cap_drop", []), "redis: has capabilities"),
        (of("gateway", "cap_add", ["NET_ADMIN"]), "gateway: has capabilities"),
        (of("migrate", "privileged", "yes"), "migrate: may gain privileges"),
        (of("gateway", "depends_on", {}), "gateway: does not wait for the migration"),
        (of("migrate", "depends_on", {"postgres": {"condition": "service_started"}}), "until postgres answers"),
        (of("migrate", "restart", "always"), "migrate: is restarted"),
        (put("services", "postgres", "healthcheck", value=None), "of postgres, which has no check"),
    ],
)
def test_a_planted_error_is_found(change: Callable[[Stack], None], problem: str) -> None:
    stack = read()
    change(stack)
    if stack["services"]["postgres"].get("healthcheck", "") is None:
        del stack["services"]["postgres"]["healthcheck"]
    assert any(problem in found for found in problems(stack, ROOT)), problems(stack, ROOT)


@pytest.mark.parametrize(
    "change",
    [
        of("gateway", "cap_drop", "ALL"),
        of("gateway", "stop_grace_periods", "60s"),
        of("gateway", "depends_on", {"redis": {"condition": "service_happy"}}),
        put("networks", "back", value={"internal": [True]}),
    ],
)
def test_the_schema_finds_what_is_no_compose_file(change: Callable[[Stack], None], tmp_path: Path) -> None:
    stack = read()
    change(stack)
    file = tmp_path / "compose.yaml"
    file.write_bytes(msgspec.yaml.encode(stack))
    assert not follows_schema(file)
