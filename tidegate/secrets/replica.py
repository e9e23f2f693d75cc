"""The watch of a replica with several workers, in the process that starts them: it tells all workers what is new.

A worker that starts begins with the secrets that another one has taken into use, and then hears of newer ones: a new
key that the provider has not been asked about may be a bad one.
"""

import threading
from collections.abc import Callable

from tidegate.core.config import Settings
from tidegate.core.config.secret_reference import SecretReference
from tidegate.core.config.secret_values import with_changed
from tidegate.core.process.supervisor import READY, Message, WorkerProcess
from tidegate.secrets.watch import ROUND_SECONDS, SecretReport, SecretWatch
from tidegate.secrets.worker_link import ReadSecret, SecretInUse


class ReplicaWatch:
    """Runs the rounds in a thread of its own, between `start` and `close`."""

    def __init__(self, watch: SecretWatch, settings: Settings) -> None:
        """`settings` are those that the first workers start with."""
        self.settings = settings
        """Those for a worker that starts now."""
        self._watch = watch
        self._latest: dict[SecretReference, SecretReport] = {}
        self._woken = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<ReplicaWatch: {self._watch}>"

    def start(self, tell_all: Callable[[SecretReport], None]) -> None:
        """Run rounds; `tell_all` sends every worker what is new."""
        self._thread = threading.Thread(target=self._run, args=(tell_all,), name="secrets", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the present round."""
        self._is_closed = True
        self._woken.set()

    def take_message(self, worker: WorkerProcess, message: Message) -> None:
        """Take what a worker sends."""
        if message == READY:
            for report in list(self._latest.values()):
                worker.send(report)
        elif isinstance(message, ReadSecret):
            self._watch.force(message.reference)
            self._woken.set()
        elif isinstance(message, SecretInUse) and message.report.reading is not None:
            self.settings = with_changed(self.settings, message.report.reference, message.report.reading.text)

    def _run(self, tell_all: Callable[[SecretReport], None]) -> None:
        while not self._is_closed:
            self._woken.wait(ROUND_SECONDS)
            self._woken.clear()
            for report in self._watch.run_round():
                if report.reading is not None:
                    self._latest[report.reference] = report
                tell_all(report)
