"""Asks the gateway in this container whether it can answer, with the standard library only. Used by `tidegate health`.

A health check runs every few seconds on a share of a core: the configuration's library alone would take longer than the
rest. So the address is read here once more, from the same places; a test compares both readings.
"""

import os
import socket
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SECONDS = 3.0
_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # replaced, not bound
_OK = b"200"


def main() -> None:
    """Exit with 0 if the configured gateway can answer, else with 1 and a sentence."""
    problem = problem_of(*configured_address(os.environ, Path()))
    if problem is not None:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)
    sys.stdout.write("ok\n")


def configured_address(environ: Mapping[str, str], folder: Path) -> tuple[str, int]:
    """Return the host and the port of `[server]` in the environment or in the configuration file."""
    variables = {name.upper(): value for name, value in environ.items()}
    server = _server_section(folder / (variables.get("TIDEGATE_CONFIG") or "tidegate.toml"))
    host = variables.get("TIDEGATE_SERVER__HOST") or server.get("host") or "127.0.0.1"
    port = str(variables.get("TIDEGATE_SERVER__PORT") or server.get("port") or variables.get("PORT"))
    return str(host), int(port) if port.isdecimal() else 8080


def _server_section(file: Path) -> Mapping[str, Any]:
    try:
        section = tomllib.loads(file.read_text()).get("server")
    except (OSError, ValueError):  # the gateway has said what is wrong with the file
        return {}
    return section if isinstance(section, dict) else {}


def problem_of(host: str, port: int) -> str | None:
    """Return a sentence that says why the gateway cannot answer, or None if it can."""
    where = (_ANY.get(host, host), port)
    try:
        with socket.create_connection(where, timeout=_SECONDS) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status = connection.recv(64).split(b" ")[1:2]
    except OSError as error:
        return f"The gateway at {host} port {port} did not answer: {error.strerror or error}."
    if status != [_OK]:
        said = b"".join(status).decode(errors="replace") or "nothing"
        return f"The gateway at {host} port {port} cannot answer calls: /readyz said {said}."
    return None
