"""One gateway of several, on a port of its own: started, watched as a balancer watches it, ended and killed."""

import asyncio
import contextlib

import aiohttp
import psutil

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import Program

LOOK_SECONDS = 0.2
"""Between two looks of the balancer at a replica."""


class Replica:
    """A gateway on one port, which is restarted."""

    def __init__(self, port: int, env: dict[str, str], *options: str) -> None:
        self.port = port
        self.root = f"http://127.0.0.1:{port}"
        self.is_ready = False
        self.kills = 0
        """How often it was killed."""
        self._command = gateway.command("serve", "--port", str(port), *options)
        self._env = env
        self._name = f"replica-{port}"
        self._stack = contextlib.ExitStack()
        self.program: Program | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        started = processes.running(self._name, self._command, core=None, folder=FOLDER, env=self._env)
        self.program = self._stack.enter_context(started)
        processes.until_up(self.program, f"{self.root}/readyz")

    def stop(self) -> None:
        """End it by SIGTERM, and wait for its end."""
        self._stack.close()

    def kill(self) -> None:
        """End it by SIGKILL, with its workers, and wait for its end."""
        if self.program is None:
            return
        self.kills += 1
        for process in self.program.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.program.process.wait()
        self._stack.close()

    async def watch(self, http: aiohttp.ClientSession) -> None:
        """Look again and again whether it is ready, as a balancer does."""
        while True:
            try:
                async with http.get(f"{self.root}/readyz") as answer:
                    self.is_ready = answer.status == 200
            except aiohttp.ClientError:
                self.is_ready = False
            await asyncio.sleep(LOOK_SECONDS)
