"""A server that stands in for a webhook or Slack: it refuses, hangs, redirects or talks without end when told to."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec


class Received(msgspec.Struct, frozen=True):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """What the server has received, and how it answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks/secret-path"
        self.requests: list[Received] = []
        self.accepted: list[Received] = []
        self.status: Callable[[int], int] = lambda _: 200
        """Returns the status for the request of this number."""
        self.behaviour = ""
        """`silent`, `endless`, `dripping` or `hang_up`; empty for an ordinary answer."""
        self.let_go = threading.Event()

    @property
    def ids(self) -> list[str]:
        """The ids of the messages that were accepted, in order."""
        return [each.headers["webhook-id"] for each in self.accepted]


@contextlib.contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Run the server for the time of the block."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the library's name
            """Say nothing."""

        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["content-length"]))
            got = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            receiver.requests.append(got)
            if receiver.behaviour == "hang_up":
                return
            if receiver.behaviour == "silent":
                receiver.let_go.wait(30)
                return
            status = receiver.status(len(receiver.requests))
            if 200 <= status < 300:
                receiver.accepted.append(got)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"http://127.0.0.1:{server.server_port}/elsewhere")
            self.end_headers()
            with contextlib.suppress(OSError):
                while receiver.behaviour == "endless" and not receiver.let_go.is_set():
                    self.wfile.write(b"x" * 65_536)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
