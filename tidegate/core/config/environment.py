"""The variables of other programs: those that are honoured, and those that a platform sets by itself."""

import re
from collections.abc import Mapping
from typing import Any

_HONOURED = {
    "PORT": ("server", "port"),
    "OPENAI_BASE_URL": ("upstream", "base_url"),
    "OPENAI_ORG_ID": ("upstream", "organization"),
    "OPENAI_PROJECT_ID": ("upstream", "project"),
}
_SERVICE_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
_LINKED_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def honoured_values(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the settings that the variables of other programs give, by section; blank variables give none."""
    values: dict[str, dict[str, Any]] = {}
    for variable, (section, key) in _HONOURED.items():
        if value := _value(variable, environ):
            values.setdefault(section, {})[key] = value
    return values


def honoured_source(location: tuple[int | str, ...], value: Any, environ: Mapping[str, str]) -> str | None:
    """Return the variable of another program that gave `value` to the setting at `location`, or None."""
    for variable, place in _HONOURED.items():
        if place == location and value and value == _value(variable, environ):
            return variable
    return None


def is_service_link(variable: str, value: str) -> bool:
    """Return whether Kubernetes or Docker sets this variable in every container beside a service."""
    is_address = variable.endswith("_PORT") and _LINKED_ADDRESS.match(value) is not None
    return is_address or _SERVICE_LINK.search(variable) is not None


def _value(variable: str, environ: Mapping[str, str]) -> str:
    value = environ.get(variable, "").strip()
    return "" if variable == "PORT" and _LINKED_ADDRESS.match(value) else value
