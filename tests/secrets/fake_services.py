"""Strict stand-ins for the services that give secrets: they refuse wrong tokens, audiences and versions.

They count calls. Amazon's own part is real elsewhere (`moto_server`); here are its two ways to a role.
"""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

GOOGLE_TOKEN, AZURE_TOKEN, INSTANCE_TOKEN, CONTAINER_TOKEN = "ya29.google", "eyJ.azure", "imds-token", "ecs-token"
IDENTITY_HEADER = "identity-header"
ROLE = {"AccessKeyId": "AKIAROLE", "SecretAccessKey": "role-secret", "Token": "role-session"}


class Services:
    """What the stand-ins hold, and what they were asked."""

    def __init__(self) -> None:
        self.url = ""
        self.secrets: dict[str, list[bytes]] = {}
        """All versions of each secret, by its name; the last one is the current one."""
        self.calls: Counter[str] = Counter()
        self.answer: tuple[int, bytes] | None = None
        """Given instead of every secret."""
        self.silent = threading.Event()
        """While it is set, answers come one byte every 50 ms."""
        self.token_seconds = 3600
        self.role_expires = "2026-12-01T00:00:00Z"

    @property
    def host(self) -> str:
        """The address without its scheme."""
        return urlsplit(self.url).netloc


class _Handler(BaseHTTPRequestHandler):
    services: Services

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the library's name
        """Say nothing."""

    def do_GET(self) -> None:  # the library's name
        self._answer("GET")

    def do_PUT(self) -> None:  # the library's name
        self._answer("PUT")

    def do_POST(self) -> None:  # the library's name
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self._answer("POST")

    def _answer(self, method: str) -> None:
        address = urlsplit(self.path)
        status, body = self._find(method, address.path, {k: v[0] for k, v in parse_qs(address.query).items()})
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if status in {301, 302, 307}:
            self.send_header("location", f"{self.services.url}/elsewhere")
        self.end_headers()
        step = 1 if self.services.silent.is_set() else len(body) or 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            if self.services.silent.is_set():
                time.sleep(0.05)

    def _find(self, method: str, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        if path.startswith("/latest/"):
            return self._instance(method, path)
        tokens = {"/computeMetadata": self._google_token, "/msi/token": self._azure_token, "/role": self._container}
        for beginning, answer in tokens.items():
            if path.startswith(beginning):
                return answer(path, query)
        return self._secret(path, query, self.headers.get("authorization", ""))

    def _google_token(self, path: str, _: dict[str, str]) -> tuple[int, bytes]:
        self.services.calls["google token"] += 1
        if self.headers.get("metadata-flavor") != "Google" or not path.endswith("/service-accounts/default/token"):
            return 403, b"no metadata-flavor"
        return _json({"access_token": GOOGLE_TOKEN, "expires_in": self.services.token_seconds, "token_type": "Bearer"})

    def _azure_token(self, _: str, query: dict[str, str]) -> tuple[int, bytes]:
        self.services.calls["azure token"] += 1
        is_known = self.headers.get("x-identity-header") == IDENTITY_HEADER
        if not is_known or query.get("resource") != "https://vault.azure.net":
            return 400, b"wrong audience or header"
        ends_at = int(time.time()) + self.services.token_seconds
        return _json({"access_token": AZURE_TOKEN, "expires_on": str(ends_at)})

    def _container(self, _: str, __: dict[str, str]) -> tuple[int, bytes]:
        self.services.calls["container role"] += 1
        is_known = self.headers.get("authorization") == CONTAINER_TOKEN
        return _json(self._role()) if is_known else (401, b"wrong token")

    def _role(self) -> dict[str, str]:
        return {**ROLE, "Expiration": self.services.role_expires}

    def _instance(self, method: str, path: str) -> tuple[int, bytes]:
        self.services.calls["instance"] += 1
        if path == "/latest/api/token":
            wanted = self.headers.get("x-aws-ec2-metadata-token-ttl-seconds")
            return (200, INSTANCE_TOKEN.encode()) if method == "PUT" and wanted else (400, b"")
        if self.headers.get("x-aws-ec2-metadata-token") != INSTANCE_TOKEN:
            return 401, b""
        return _json(self._role()) if path.endswith("/gateway-role") else (200, b"gateway-role\n")

    def _secret(self, path: str, query: dict[str, str], bearer: str) -> tuple[int, bytes]:
        services = self.services
        services.calls["secret"] += 1
        if services.answer is not None:
            return services.answer
        if path.startswith("/v1/projects/"):
            if bearer != f"Bearer {GOOGLE_TOKEN}":
                return 401, b"{}"
            name, _, version = path.removeprefix("/v1/").removesuffix(":access").partition("/versions/")
            return self._version(name, version, path.endswith(":access"), _google)
        if path.startswith("/secrets/"):
            if bearer != f"Bearer {AZURE_TOKEN}":
                return 401, b"{}"
            name = path.removeprefix("/secrets/")
            return self._version(name, "latest", query.get("api-version") == "7.4", _azure)
        return 404, b"{}"

    def _version(self, name: str, version: str, is_asked_well: bool, write: Any) -> tuple[int, bytes]:
        versions = self.services.secrets.get(name, [])
        number = len(versions) if version == "latest" else int(version) if version.isdigit() else 0
        if not is_asked_well or not 1 <= number <= len(versions):
            return 404, b"{}"
        return _json(write(name, number, versions[number - 1]))


def _json(document: dict[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps(document).encode()


def _google(name: str, number: int, content: bytes) -> dict[str, Any]:
    return {"name": f"{name}/versions/{number}", "payload": {"data": base64.b64encode(content).decode()}}


def _azure(name: str, number: int, content: bytes) -> dict[str, Any]:
    return {"value": content.decode(errors="replace"), "id": f"https://v.vault.azure.net/secrets/{name}/{number:032x}"}


@contextmanager
def running_services() -> Iterator[Services]:
    """Run the stand-ins on a free port."""
    services = Services()
    handler = type("Handler", (_Handler,), {"services": services})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    services.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield services
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
