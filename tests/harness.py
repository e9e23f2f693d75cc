"""The whole gateway over real sockets: any number of replicas on the same stores, with the simulator behind them."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import asyncpg
import msgspec
import redis.asyncio
import uvicorn
from openai import AsyncOpenAI

from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.app import build
from tidegate.auth.key_store import KeyStore, NewKey
from tidegate.cli.worker import uvicorn_config
from tidegate.core.call_report import CallObserver
from tidegate.core.clock import Clock, SystemClock
from tidegate.core.config import Settings
from tidegate.metering.ledger.stream import stream_key
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

Json = dict[str, Any]

UPSTREAM_KEY = "sk-proj-upstream0secret0that0nobody0may0see"
CHAT: Json = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "When is high tide?"}]}
STREAM: Json = {**CHAT, "stream": True}
RESPONSES: Json = {"model": "gpt-4o-mini", "input": "When is high tide?", "store": False}
EMBEDDINGS: Json = {"model": "text-embedding-3-small", "input": "high tide"}
MODERATIONS: Json = {"input": "high tide"}

_ADMITTED = "FROM ledger WHERE provider IS NOT NULL"
"""The entries of calls that were admitted; tests of refused calls read the table themselves."""

_Value = TypeVar("_Value")


def ask(words: str, **fields: Any) -> Json:
    """Return a chat request with the text `words`."""
    return {**CHAT, "messages": [{"role": "user", "content": words}], **fields}


def data_of(text: str) -> list[Json]:
    """Return the JSON of each event in a stream's text, without `[DONE]`."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [msgspec.json.decode(line) for line in lines if line != "[DONE]"]


def chat_text(events: list[Json]) -> str:
    """Return the text of a chat stream's first choice."""
    choices = [choice for event in events for choice in event.get("choices", ()) if choice["index"] == 0]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


class Answer(msgspec.Struct, frozen=True):
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """Names are found in any case."""
    text: str

    @property
    def json(self) -> Json:
        """Return the body as JSON."""
        document: Json = msgspec.json.decode(self.text)
        return document

    @property
    def error(self) -> Json:
        """Return the inner object of the error envelope."""
        error: Json = self.json["error"]
        return error

    @property
    def events(self) -> list[Json]:
        """Return the stream's events."""
        return data_of(self.text)


class Gateway:
    """A running gateway, and an HTTP client with its key."""

    def __init__(self, root: str, key: str, http: aiohttp.ClientSession) -> None:
        self.root = root
        self.base_url = f"{root}/v1"
        self.key = key
        self.http = http

    def open(self, path: str, body: Any = None, *, method: str = "", **headers: str) -> Any:
        """Return a response whose body is still to come, for `async with`; headers are keywords with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("authorization", f"Bearer {self.key}")
        url = self.root + path if path.startswith(("/livez", "/readyz", "/health")) else self.base_url + path
        raw: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        return self.http.request(method or ("GET" if body is None else "POST"), url, headers=named, **raw)

    async def call(self, path: str, body: Any = None, *, method: str = "", **headers: str) -> Answer:
        """Return the answer to a request."""
        async with self.open(path, body, method=method, **headers) as response:
            return Answer(response.status, response.headers, await response.text())

    async def chat(self, body: Any = None, **headers: str) -> Answer:
        """Return the answer to a chat request."""
        return await self.call("/chat/completions", CHAT if body is None else body, **headers)

    def sdk(self, **options: Any) -> AsyncOpenAI:
        """Return the official client, which is a context manager."""
        return AsyncOpenAI(**{"base_url": self.base_url, "api_key": self.key, "max_retries": 0, **options})


class GatewayProcess(Gateway):
    """A gateway in a process of its own."""

    def __init__(self, gateway: Gateway, process: asyncio.subprocess.Process, log: Path) -> None:
        super().__init__(gateway.root, gateway.key, gateway.http)
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """Return what it has written to its outputs so far."""
        return self._log.read_text()

    def kill(self) -> None:
        """Kill it at once with SIGKILL."""
        self.process.kill()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal; return its exit code."""
        self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> int:
        """Wait for its end; return its exit code."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()


class World:
    """Stores, a simulator and a key. Tests start gateways on them."""

    def __init__(self, stores: StoreUrls, prefix: str, upstream_url: str, folder: Path) -> None:
        self.stores = stores
        self.prefix = prefix
        self.upstream_url = upstream_url
        self.folder = folder
        self.key = ""
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        unbounded = aiohttp.TCPConnector(limit=0)  # otherwise a test with many calls waits for its own client
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession(connector=unbounded))
        self._database = await asyncpg.connect(self.stores.database_url)
        self._stack.push_async_callback(self._database.close)
        self._redis = redis.asyncio.Redis.from_url(self.stores.redis_url, socket_timeout=PATIENCE_SECONDS)
        self._stack.push_async_callback(self._redis.aclose)
        self.keys = await self._stack.enter_async_context(self._key_store())
        self.key = (await self.make_key()).token
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @contextlib.asynccontextmanager
    async def _key_store(self) -> AsyncIterator[KeyStore]:
        postgres = Postgres(self.stores.database_url, size=1, timeout=10.0)
        link = RedisLink(self.stores.redis_url, timeout=2.0, clock=SystemClock())
        await link.start()
        try:
            yield KeyStore(postgres, link, clock=SystemClock(), prefix=self.prefix)
        finally:
            await link.close()
            await postgres.close()

    async def make_key(self, project: str = "shop", expires_at: float | None = None) -> NewKey:
        """Create another key."""
        return await self.keys.create(project=project, name="test", expires_at=expires_at)

    def settings(self, **sections: Any) -> Settings:
        """Return the configuration with these keys changed, by section."""
        return Settings(**self._configuration(**sections))

    def _configuration(self, **sections: Any) -> dict[str, Any]:
        upstream = {
            "base_url": self.upstream_url,
            "api_key": UPSTREAM_KEY,
            "forward_headers": ["openai-*", "idempotency-key", "x-client-request-id", "x-simulate-*"],
            "allow_short_timeouts": True,
        }
        mine: dict[str, Any] = {
            "database_url": self.stores.database_url,
            "redis_url": self.stores.redis_url,
            "redis": {"prefix": self.prefix, "timeout_seconds": 2.0},  # a long timeout: a busy machine is no failure
            "metering": {"spool_dir": str(self.folder / "spool")},
            "call_log": {"level": "off"},  # tests of it set it
            "budgets": {"rebuild_after_seconds": 0.5},  # the default delays the first call by three seconds
            "upstream": upstream,
            "server": {"drain_seconds": 0.0},  # tests of the drain set it
        }
        return {name: _merge(mine.get(name), sections.get(name)) for name in {**mine, **sections}}

    @contextlib.asynccontextmanager
    async def gateway(self, **sections: Any) -> AsyncIterator[Gateway]:
        """Run a gateway in this event loop; at the end it shuts down as on SIGTERM.

        `clock` and `observers` of its calls may be given, too.
        """
        clock: Clock | None = sections.pop("clock", None)
        observers: Sequence[CallObserver] = sections.pop("observers", ())
        settings = self.settings(**sections)
        async with listening(uvicorn_config(build(settings, clock, observers=observers), settings)) as root:
            yield Gateway(root, self.key, self.http)

    @contextlib.asynccontextmanager
    async def process(self, *arguments: str, release: Any = None, **sections: Any) -> AsyncIterator[GatewayProcess]:
        """Run `tidegate serve` in a process of its own; kill it at the end if it still runs.

        With `release`, a folder, the code in it runs, with its own default drain.
        """
        environment = self.environment(**sections)
        if release is not None:
            environment["PYTHONPATH"] = str(release)
            for newer in ("TIDEGATE_SERVER__DRAIN_SECONDS", "TIDEGATE_CALL_LOG__LEVEL"):
                del environment[newer]  # it may be older than the key
        port = free_port()
        log = self.folder / f"gateway-{port}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tidegate", "serve", "--port", str(port), *arguments,
                stdout=output, stderr=output, cwd=self.folder, env={**os.environ, **environment},
            )  # fmt: skip
        gateway = GatewayProcess(Gateway(f"http://127.0.0.1:{port}", self.key, self.http), process, log)
        try:
            await self._until_alive(gateway)
            yield gateway
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def environment(self, **sections: Any) -> dict[str, str]:
        """Return the same configuration as environment variables."""
        variables: dict[str, str] = {}
        for section, value in self._configuration(**sections).items():
            if isinstance(value, Mapping):
                for name, setting in value.items():
                    variables[f"TIDEGATE_{section}__{name}".upper()] = _environment_value(setting)
            else:
                variables[f"TIDEGATE_{section}".upper()] = _environment_value(value)
        return variables

    async def _until_alive(self, gateway: GatewayProcess) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                assert gateway.process.returncode is None, f"it ended: {gateway.log}"
                with contextlib.suppress(aiohttp.ClientError):
                    if (await gateway.call("/livez")).status == 200:
                        return
                await asyncio.sleep(0.02)

    async def stats(self) -> Json:
        """Return the simulator's figures."""
        async with self.http.get(f"{self._simulator}/stats") as response:
            figures: Json = await response.json()
            return figures

    async def calls(self, route: str = "chat") -> int:
        """Return how often the simulator was called."""
        return int((await self.stats())["calls"].get(route, 0))

    async def reconnect(self) -> None:
        """Connect to PostgreSQL again, after it was away."""
        self._database = await asyncpg.connect(self.stores.database_url)
        self._stack.push_async_callback(self._database.close)

    async def wait_for_stats(self, **expected: Any) -> Json:
        """Return the simulator's figures, once they have the given values.

        A call that has not reached the simulator yet is not in flight there: wait for the end of the callers first.
        """
        return await _wait_for(self.stats, lambda stats: {name: stats[name] for name in expected} == expected)

    async def set_faults(self, *, key: str = "", **probabilities: float) -> None:
        """Set the simulator's faults, for all keys or for those that end with `key`."""
        url = f"{self._simulator}/faults?key={key}"
        async with self.http.post(url, json=probabilities) as response:
            assert response.status == 200

    async def clear_ledger(self) -> None:
        """Delete all ledger entries."""
        await self._database.execute("TRUNCATE ledger")

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return [tuple(row) for row in await self._database.fetch(query, *values)]

    async def ledger_entries(self, lines: int, within: float = PATIENCE_SECONDS) -> list[Json]:
        """Return the ledger by time, once it has this many entries and none is on its way; fail if it has others."""

        async def counted() -> tuple[int, int]:
            return await self._undrained_count(), await self._database.fetchval(f"SELECT count(*) {_ADMITTED}")

        with contextlib.suppress(AssertionError):  # the rows below show more than this error
            await _wait_for(counted, lambda seen: seen[0] == 0 and seen[1] >= lines, within)
        waiting, rows = await self._drained()
        assert (waiting, len(rows)) == (0, lines), rows
        return rows

    async def all_entries(self) -> list[Json]:
        """Return the ledger by time, once no entry is on its way."""
        return (await _wait_for(self._drained, lambda seen: seen[0] == 0))[1]

    async def _drained(self) -> tuple[int, list[Json]]:
        waiting = await self._undrained_count()  # first, so that an entry that leaves Redis meanwhile is in the table
        return waiting, [dict(row) for row in await self._database.fetch(f"SELECT * {_ADMITTED} ORDER BY at, id")]

    async def _undrained_count(self) -> int:
        """Return the number of entries in Redis, and of spool files."""
        spooled = sum(1 for _ in (self.folder / "spool").glob("*.jsonl"))
        return spooled + int(await self._redis.xlen(stream_key(self.prefix)))

    @property
    def _simulator(self) -> str:
        return self.upstream_url.removesuffix("/v1") + "/simulator"


async def _wait_for(
    read: Callable[[], Awaitable[_Value]], good: Callable[[_Value], bool], within: float = PATIENCE_SECONDS
) -> _Value:
    deadline = asyncio.get_running_loop().time() + within
    while not good(seen := await read()):
        assert asyncio.get_running_loop().time() < deadline, f"never as expected; last: {seen}"
        await asyncio.sleep(0.01)
    return seen


class _ServerWithoutSignals(uvicorn.Server):
    """Uvicorn within another event loop, without signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no handlers."""
        yield

    async def main_loop(self) -> None:
        """Check more often than uvicorn whether it should end."""
        while not await self.on_tick(0):  # noqa: ASYNC110  # a flag is all there is
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listening(config: uvicorn.Config) -> AsyncIterator[str]:
    """Serve on a free port while the context lasts; yield the address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    server = _ServerWithoutSignals(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await wait_until(lambda: server.started or serving.done())
        assert not serving.done(), "it did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def free_port() -> int:
    """Return a port on which no server listens now, drawn from those that the system gives to no client meanwhile."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _merge(mine: Any, changes: Any) -> Any:
    if isinstance(mine, dict) and isinstance(changes, Mapping):
        return {**mine, **changes}
    return mine if changes is None else changes


def _environment_value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
