"""What turns in `benchmarks.rotation`: a Secrets Manager, a simulator with accounts, stores with two users each."""

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
import redis

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import BenchmarkError
from benchmarks.replica import Replica
from tidegate.core.clock import SystemClock
from tidegate.secrets.sources.aws import AwsSource
from tidegate.secrets.sources.aws_versions import AwsVersions
from tidegate.storage import embedded

ADMIN, FIRST = "sk-admin-0000000000000000adm0", "sk-first-00000000000000009999"
PROJECT = "proj_simulator"
CALL_SECONDS = 8.0
"""The longest call, as the gateway is configured."""
AWS = {"AWS_ACCESS_KEY_ID": "AKIABENCH", "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_REGION": "eu-west-1"}
UNLIMITED = {"TIDEGATE_UPSTREAM__RPM": "1000000", "TIDEGATE_UPSTREAM__TPM": "1000000000"}


class StoreUsers(Protocol):
    """A store whose user turns; `secret` holds its address."""

    secret: str

    def make_second(self) -> str:
        """Make a second user; return the address with it."""

    def drop_first(self) -> None:
        """Take the first user away, and cut its connections."""

    def connected(self) -> bool:
        """Return whether the second user has connections."""


class PostgresUsers(StoreUsers):
    """PostgreSQL's users, whose passwords are checked."""

    secret = "database"  # noqa: S105  # its name

    def __init__(self, url: str, folder: Path) -> None:
        """Make the first user; `url` is the superuser's, and `folder` the server's."""
        self._url = url
        self._rules = next(folder.rglob("pg_hba.conf"))
        self.first_url = self._make("tide_one")

    def make_second(self) -> str:
        """Make a second user; return the address with it."""
        return self._make("tide_two")

    def drop_first(self) -> None:
        """Take the first user away, and cut its connections."""
        with psycopg.connect(self._url, autocommit=True) as database:
            database.execute("ALTER ROLE tide_one NOLOGIN")
            database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tide_one'")

    def connected(self) -> bool:
        """Return whether the second user has connections."""
        with psycopg.connect(self._url) as database:
            found = database.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'tide_two'").fetchone()
            return found is not None and found[0] > 0

    def _make(self, user: str) -> str:
        password = secrets.token_hex(16)
        with psycopg.connect(self._url, autocommit=True) as database:
            if database.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone() is None:
                database.execute(f"CREATE ROLE {user}".encode())
            database.execute(f"ALTER ROLE {user} SUPERUSER LOGIN PASSWORD '{password}'".encode())
            rule = f"local all {user} scram-sha-256\nhost all {user} all scram-sha-256\n"
            text = self._rules.read_text()
            self._rules.write_text(text if rule in text else rule + text)
            database.execute("SELECT pg_reload_conf()")
        return _with_user(self._url, user, password)


class RedisUsers(StoreUsers):
    """Redis's users."""

    secret = "redis"  # noqa: S105  # its name

    def __init__(self, url: str) -> None:
        """Make the first user; `url` is that of the user without a password."""
        self._url = url
        self.first_url = self._make("tide_one")

    def make_second(self) -> str:
        """Make a second user; return the address with it."""
        return self._make("tide_two")

    def drop_first(self) -> None:
        """Take the first user away, which cuts its connections."""
        with redis.Redis.from_url(self._url) as store:
            store.acl_deluser("tide_one")

    def connected(self) -> bool:
        """Return whether the second user has connections."""
        with redis.Redis.from_url(self._url) as store:
            return any(client.get("user") == "tide_two" for client in store.client_list())

    def _make(self, user: str) -> str:
        password = secrets.token_hex(16)
        with redis.Redis.from_url(self._url) as store:
            store.execute_command("ACL", "SETUSER", user, "reset", "on", f">{password}", "~*", "&*", "+@all")
        return _with_user(self._url, user, password)


def _with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


class Surroundings:
    """Everything beside the replicas."""

    def __init__(self, env: Mapping[str, str], manager_url: str, upstream: str, stores: list[StoreUsers]) -> None:
        self.env = dict(env)
        self.stores = stores
        self.key = ""
        self.deleted_accounts: list[str] = []
        self.deleted_after = 0.0
        """Seconds from the last rotation's end to the deletion of the old account."""
        self._upstream = upstream
        self._source = AwsSource(AWS, SystemClock(), url=manager_url)

    def create(self, name: str, value: str) -> None:
        """Make a secret."""
        fields = {"Name": name, "SecretString": value, "ClientRequestToken": str(uuid.uuid4())}
        self._source.call("CreateSecret", name, fields, dict)

    def put_by_hand(self, name: str, value: str) -> None:
        """Make a value current without a test."""
        versions, new = AwsVersions(self._source, name), str(uuid.uuid4())
        before = versions.current().version
        versions.put_pending(new, value)
        versions.make_current(new, instead_of=before)
        versions.drop_pending(new)

    def current_version(self, name: str) -> str:
        """Return the id of the version that is current."""
        return AwsVersions(self._source, name).by_stage().get("AWSCURRENT", "")

    async def rotate_key(self, *arguments: str) -> None:
        """Turn the key by the command, with a new service account."""
        account = ("--openai-service-account", "tidegate", "--openai-project", PROJECT)
        begun = time.monotonic()
        done = await self._rotate("openai", "", *account, *arguments)
        if deleted := done["deleted_service_account"]:
            self.deleted_accounts.append(deleted)
            self.deleted_after = time.monotonic() - begun

    async def rotate_value(self, name: str, value: str) -> None:
        """Turn a secret by the command."""
        await self._rotate(name, value)

    async def _rotate(self, name: str, value: str, *arguments: str) -> dict[str, Any]:
        command = gateway.command("secrets", "rotate", f"aws-sm:{name}", "--json", *arguments)
        env = {**os.environ, **self.env, "OPENAI_ADMIN_KEY": ADMIN}
        done = await asyncio.to_thread(
            subprocess.run, command, input=value, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchmarkError(f"the rotation of {name} failed: {done.stdout}{done.stderr}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def stats(self) -> dict[str, Any]:
        """Return the simulator's figures."""
        with urllib.request.urlopen(f"{self._upstream}/simulator/stats", timeout=30) as answer:  # noqa: S310  # loopback
            figures: dict[str, Any] = json.load(answer)
            return figures

    def used_at(self, replica: Replica, name: str, version: str) -> float | None:
        """Return when a replica took a version into use, in Unix seconds, as its log says; None for not yet."""
        log = replica.program.log.read_text(errors="replace") if replica.program is not None else ""
        for line in log.splitlines():
            if version in line and "a new secret is in use" in line and f"aws-sm:{name}" in line:
                return datetime.fromisoformat(json.loads(line)["time"]).timestamp()
        return None


@contextlib.contextmanager
def surroundings(port: int, refresh_seconds: float) -> Iterator[Surroundings]:
    """Start the stores, the Secrets Manager and the simulator; put the secrets into their places."""
    manager_url, upstream = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}/v1"
    with contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(FOLDER / "rotation"))
        command = [sys.executable, "-m", "moto.server", "--port", str(port)]
        manager = stack.enter_context(processes.running("rotation-manager", command, core=None, folder=FOLDER))
        processes.until_up(manager, f"{manager_url}/moto-api/data.json")
        command = gateway.command("simulate", "--port", str(port + 1), "--api-key", FIRST, "--admin-key", ADMIN)
        simulator = stack.enter_context(processes.running("rotation-upstream", command, core=None, folder=FOLDER))
        processes.until_up(simulator, f"{upstream}/simulator/stats")
        postgres, cache = PostgresUsers(stores.database_url, FOLDER / "rotation"), RedisUsers(stores.redis_url)
        env = gateway.environment(upstream, stores) | UNLIMITED | AWS
        key = gateway.make_key(env)
        del env["OPENAI_API_KEY"]
        around = Surroundings(
            env | _by_reference(manager_url, refresh_seconds), manager_url, upstream, [postgres, cache]
        )
        around.key = key
        for name, value in (("openai", FIRST), ("database", postgres.first_url), ("redis", cache.first_url)):
            around.create(name, value)
        yield around


def _by_reference(manager_url: str, refresh_seconds: float) -> dict[str, str]:
    return {
        "TIDEGATE_UPSTREAM__API_KEY": "aws-sm:openai",
        "TIDEGATE_DATABASE_URL": "aws-sm:database",
        "TIDEGATE_REDIS_URL": "aws-sm:redis",
        "TIDEGATE_SECRETS__AWS_URL": manager_url,
        "TIDEGATE_SECRETS__REFRESH_SECONDS": str(refresh_seconds),
        "TIDEGATE_UPSTREAM__TOTAL_SECONDS": str(CALL_SECONDS),
        "TIDEGATE_UPSTREAM__FIRST_BYTE_SECONDS": str(CALL_SECONDS),
        "TIDEGATE_UPSTREAM__ALLOW_SHORT_TIMEOUTS": "true",
        "TIDEGATE_LOG_LEVEL": "info",
    }
