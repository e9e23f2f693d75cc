"""What a process of several starts with. The process that starts them all does not import the gateway."""

import socket
from multiprocessing.connection import Connection

from tidegate.core.config import Settings


def run_worker_process(settings: Settings, listeners: list[socket.socket], connection: Connection) -> None:
    """Serve as one worker of several, in a new process."""
    from tidegate.cli.worker import run_worker  # noqa: PLC0415  # see the module's docstring

    run_worker(settings, listeners, connection)
