"""The seam of the command line to the audit log: which commands are acts, and who acts. Used by `context.py`.

Every command that opens the stores by `run_with_context` is recorded, unless `NOT_ACTS` lists it.
"""

import contextlib
import functools
import inspect
import os
import pwd
import socket
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import typer
from typer.models import CommandInfo

from tidegate.audit.act import AuditAct, AuditActor, audited_parameters

NOT_ACTS = frozenset(
    {
        "alerts.show", "audit.show", "budgets.show", "calls.show", "calls.tail", "keys.list",
        "objects.list", "projects.list", "projects.show", "queue.jobs",
        "queue.show", "semantic.report", "upstream.show",
    }
)  # fmt: skip
"""The commands that only read, and read no conversation."""
NONE_MEANS_NOT_FOUND = frozenset(
    {"budgets.set", "objects.assign", "keys.find", "keys.revoke", "keys.rotate", "keys.update", "projects.update"}
)
"""The commands whose act returns None where what they name does not exist."""
READS_CONVERSATIONS = frozenset({"conversations.search", "conversations.export", "semantic.audits"})
"""The commands that give out what callers said."""


_running: ContextVar[AuditAct | None] = ContextVar("tidegate_running_act", default=None)


def current_act() -> AuditAct | None:
    """Return the act of the command that runs; None if it only reads."""
    return _running.get()


def record_commands(app: typer.Typer, module: str) -> None:
    """Make each command of a group, the application of `module`, known to `current_act` while it runs."""
    for command in app.registered_commands:
        callback = inspect.unwrap(_callback(command))  # the group may have been prepared before
        command.callback = recorded_command(callback, command_action(module, command.name or callback.__name__))


def recorded_command(callback: Callable[..., None], action: str) -> Callable[..., None]:
    """Return a command that is known to `current_act` while it runs."""

    @functools.wraps(callback)
    def run(**parameters: Any) -> None:
        token = _running.set(_act(action, parameters))
        try:
            callback(**parameters)
        finally:
            _running.reset(token)

    return run


def command_action(module: str, name: str) -> str:
    """Return the action of a command: its group and its name, such as `keys.revoke`."""
    return name if name == module else f"{module}.{name}"


def _act(action: str, parameters: Mapping[str, Any]) -> AuditAct | None:
    if action in NOT_ACTS:
        return None
    given = {name: value for name, value in parameters.items() if name not in ("as_json", "yes")}
    return AuditAct(
        action=action,
        parameters=audited_parameters(given),
        reads_conversations=action in READS_CONVERSATIONS,
    )


def _callback(command: CommandInfo) -> Callable[..., None]:
    assert command.callback is not None  # noqa: S101  # each command of this project is a function
    return command.callback


def command_actor() -> AuditActor:
    """Return the user of the operating system, with the machine and, over SSH, the address that they came from."""
    number = os.getuid()
    name = ""
    with contextlib.suppress(KeyError):  # a container's user may have no name
        name = pwd.getpwuid(number).pw_name
    came_from = os.environ.get("SSH_CLIENT", "").partition(" ")[0][:64]
    host = socket.gethostname()
    address = f"{host} (ssh: {came_from})" if came_from.isprintable() and came_from else host
    return AuditActor(kind="cli", id=str(number), name=name, address=address)
