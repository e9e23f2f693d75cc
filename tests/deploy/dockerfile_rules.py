"""What the Dockerfile keeps, beyond hadolint's rules: each yields a sentence for each breach."""

import json
import re
from collections.abc import Iterator
from itertools import takewhile

Instruction = tuple[str, str]
_LABELS = ("title", "description", "licenses", "version", "revision")
_PINNED_BASE = re.compile(r"ARG BUILDER=\S+:\d+\.\d+\S*")


def problems(text: str) -> list[str]:
    """Return the breaches of all rules."""
    steps = list(_instructions(text))
    last = list(takewhile(lambda step: step[0] != "FROM", reversed(steps)))[::-1]
    return [*_whole_file(text, steps), *_process(last), *_last_stage(last)]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    for line in filter(str.strip, lines.splitlines()):
        name, _, arguments = line.strip().partition(" ")
        yield name, " ".join(arguments.split())


def _whole_file(text: str, steps: list[Instruction]) -> Iterator[str]:
    if re.search(r"^#\s*syntax=", text, re.MULTILINE):
        yield "pulls a frontend from a registry"
    if not _PINNED_BASE.search(text):
        yield "the base has no version"
    for name, arguments in steps:
        if name == "RUN" and "pip install" in arguments and "--require-hashes" not in arguments:
            yield "installs packages without their hashes"
        if name == "RUN" and re.search(r"\bapt(-get)?\b|\bgcc\b|build-essential", arguments):
            yield "installs system packages"
        if name == "COPY" and re.search(r"requirements-(run|dev)\.lock", arguments):
            yield "installs the embedded stores"
        if name == "RUN" and "compileall" in arguments and "unchecked-hash" not in arguments:
            yield "leaves bytecode that is checked against its source"


def _process(stage: list[Instruction]) -> Iterator[str]:
    """How the container's process starts, stops, and is checked."""
    said = dict(stage)
    user = said.get("USER", "0").split(":")[0]
    if not user.isdecimal() or int(user) == 0:
        yield "does not run as a numeric user"
    if said.get("STOPSIGNAL") != "SIGTERM":
        yield "is not stopped by SIGTERM"
    for name in ("ENTRYPOINT", "CMD"):
        if not _is_list(said.get(name, "")):
            yield f"{name} needs a shell"
    check = said.get("HEALTHCHECK", "").partition("CMD ")[2]
    if not _is_list(check) or json.loads(check)[-2:] != ["tidegate", "health"]:
        yield "is not checked by `tidegate health`"


def _last_stage(stage: list[Instruction]) -> Iterator[str]:
    names = [name for name, _ in stage]
    text = " ".join(arguments for _, arguments in stage)
    if "RUN" in names:
        yield "runs a command on a base that may have no shell"
    if "ADD" in names:
        yield "adds files whose origin is not seen"
    if not any(name == "COPY" and "/app/packages" in arguments for name, arguments in stage):
        yield "has no packages"
    if "ca-certificates.crt" not in text:
        yield "has no certificates"
    for label in _LABELS:
        if f"org.opencontainers.image.{label}=" not in text:
            yield f"has no label {label}"


def _is_list(text: str) -> bool:
    return text.startswith("[") and isinstance(json.loads(text), list)
