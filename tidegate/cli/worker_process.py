"""What a process of several starts with. The process that starts them all does not import the gateway."""

import socket
from multiprocessing.connection import Connection

from tidegate.core import logs
from tidegate.core.config import Settings
from tidegate.core.process.core_files import forbid_core_files


def run_worker_process(settings: Settings, listeners: list[socket.socket], connection: Connection) -> None:
    """Serve as one worker of several, in a new process."""
    forbid_core_files()
    logs.log_uncaught()
    from tidegate.cli.worker import run_worker  # noqa: PLC0415  # see the module's docstring

    run_worker(settings, listeners, connection)
