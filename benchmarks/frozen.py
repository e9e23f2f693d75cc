"""Replicas that get no CPU between requests, as on platforms that scale to zero: frozen after an answer, then killed.

`python -m benchmarks.frozen [--minutes 10] [--kind stream]`. For each kind of call, a replica is sent SIGSTOP as soon
as the last byte of an answer has arrived. No other replica shares its Redis keys. After the time given, all of them are
killed with SIGKILL, having had no CPU since, and another replica starts for each. Exits 1 where something was unsettled
while they were frozen, a ledger entry is missing or there twice, the new replica cannot go on, or a background response
is not completed.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import redis

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import BenchmarkError, Program
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.names import RedisNames

Json = dict[str, Any]

MODEL = "gpt-4o-mini"
PATIENCE = {"TIDEGATE_DATABASE__TIMEOUT_SECONDS": "60", "TIDEGATE_REDIS__TIMEOUT_SECONDS": "10"}
"""A busy machine is no outage of a store."""
START_SECONDS = 300.0
MOST_QUEUED_MS = 1000
"""The most that the next call may wait in the queue, whose capacity all replicas share."""
SETTLED_SECONDS = 120.0
"""The most until the ledger is complete. What a drainer had read counts as abandoned after 15 s."""
_BUSY_SESSIONS = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'tidegate' AND state LIKE 'idle in transaction%'"""


_BOOKS = """SELECT count(*), count(DISTINCT id) FILTER (WHERE id = ANY(%s)), count(*) FILTER (WHERE outcome = 'lost')
    FROM ledger WHERE project = %s"""
_LOOK_SECONDS = 0.1


class Kind(msgspec.Struct, frozen=True):
    """A kind of call."""

    name: str
    path: str
    body: Json
    calls: int = 1
    """How often it is made before the replica is frozen, the last time included."""


def _question(words: str) -> list[Json]:
    return [{"role": "user", "content": words}]


CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
KINDS = (
    Kind("whole", CHAT, {"model": MODEL, "messages": _question("whole")}),
    Kind("stream", CHAT, {"model": MODEL, "messages": _question("stream"), "stream": True}),
    Kind("quick calls", CHAT, {"model": MODEL, "messages": _question("quick"), "n": 2}, calls=5),
    Kind("hit", CHAT, {"model": MODEL, "messages": _question("hit")}, calls=2),
    Kind("conversation", RESPONSES, {"model": MODEL, "input": "a turn", "store": True, "stream": True}, calls=2),
    Kind("background", RESPONSES, {"model": MODEL, "input": "later", "store": True, "background": True}),
)


class Client:
    """A caller whose key allows one call at a time, and one dollar a day."""

    def __init__(self, kind: Kind, key: str) -> None:
        self.kind = kind
        self.answered: list[str] = []
        """The ids of the requests that were answered whole."""
        self.last: Json = {}
        """The last answer, where it was JSON."""
        self.queued_ms = 0
        """For which the last call waited in the queue."""
        self._key = key
        self._conversation = ""
        self._numbers = itertools.count()

    def begin(self, port: int) -> None:
        """Create the conversation that the turns belong to, where the kind has one."""
        if self.kind.path == RESPONSES and not self.kind.body.get("background"):
            self._conversation = self._call(port, "/v1/conversations", {})["id"]

    def ask(self, port: int, *, at_last_byte: Callable[[], None] = lambda: None) -> float:
        """Make the call; return its seconds. Raises BenchmarkError if it is not answered with 200."""
        body = dict(self.kind.body)
        if self._conversation:
            body["conversation"] = self._conversation
        if self.kind.name != "hit" and "messages" in body:
            body["messages"] = _question(f"{self.kind.name} {next(self._numbers)}")
        began = time.monotonic()
        self.last = self._call(port, self.kind.path, body, at_last_byte)
        return time.monotonic() - began

    def read_response(self, port: int) -> Json:
        """Return the background response as it is now."""
        return self._call(port, f"{RESPONSES}/{self.last['id']}", None)

    def _call(self, port: int, path: str, body: Json | None, at_last_byte: Callable[[], None] = lambda: None) -> Json:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120.0)
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        with contextlib.closing(connection):
            connection.request("POST" if body is not None else "GET", path, json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            at_last_byte()
        if response.status != http.client.OK:
            raise BenchmarkError(f"{self.kind.name}: {path} was answered with {response.status}: {content[:300]!r}")
        if path == self.kind.path and not self.kind.body.get("background"):
            self.answered.append(str(response.headers["x-request-id"]))
        self.queued_ms = int(response.headers.get("x-tidegate-queue-ms", "0"))
        is_json = response.headers["content-type"].startswith("application/json")
        return dict(json.loads(content)) if is_json else {}


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to do for calls that were answered."""

    holds: int
    """Reservations of budgets."""
    slots: int
    """Calls that count as in progress for the limit of a key."""
    flights: int
    leases: int
    """Conversations that are leased to a turn."""
    transactions: int
    """Sessions of PostgreSQL that are open within a transaction, and so hold locks."""
    in_redis: int
    """Ledger entries that are not in PostgreSQL yet. They are safe, as long as Redis is."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing but ledger entries is left to do."""
        return not (self.holds or self.slots or self.flights or self.leases or self.transactions)


class Books(msgspec.Struct, frozen=True):
    """The ledger of one project, counted."""

    entries: int
    found: int
    """The answered requests that have an entry."""
    lost: int
    """Entries of calls that were charged as lost."""


class Case:
    """One kind of call, with the replica that is frozen and the one that comes after it."""

    def __init__(self, kind: Kind, port: int, env: dict[str, str], stores: StoreUrls) -> None:
        self.project = name = kind.name.replace(" ", "-")
        self.prefix = f"frozen-{name}"
        self.port = port
        self._env = {**env, "TIDEGATE_REDIS__PREFIX": self.prefix}
        self._stores = stores
        limits = ["--concurrency", "1", "--budget-day", "1.00"]
        made = gateway.run(["keys", "create", "--project", name, "--name", name, *limits, "--json"], self._env)
        self.client = Client(kind, str(json.loads(made)["key"]))

    @contextlib.contextmanager
    def replica(self, name: str) -> Iterator[Program]:
        """Run a replica, and kill it in the end."""
        command = gateway.command("serve", "--port", str(self.port))
        with processes.running(f"{self.prefix}-{name}", command, core=None, folder=FOLDER, env=self._env) as program:
            try:
                processes.until_up(program, f"http://127.0.0.1:{self.port}/readyz", START_SECONDS)
                yield program
            finally:
                program.process.kill()  # SIGTERM would wait for the end of the freeze
                program.process.wait()

    def call_and_freeze(self, program: Program) -> Unsettled:
        """Make the calls, freeze the replica at the last byte of the last one, and return what it left."""
        client, pid = self.client, program.process.pid
        client.begin(self.port)
        for _ in range(client.kind.calls - 1):
            client.ask(self.port)
        client.ask(self.port, at_last_byte=lambda: os.kill(pid, signal.SIGSTOP))
        return self._look()

    def go_on(self) -> Iterator[str]:
        """Go on at the new replica, and wait for the ledger; yield what is wrong."""
        kind = self.client.kind
        if kind.body.get("background"):
            seconds = self._until(lambda: self.client.read_response(self.port)["status"] == "completed")
            if self.client.read_response(self.port)["status"] != "completed":
                yield f"{kind.name}: the response was not completed within {seconds:.0f} s"
        else:
            seconds = self.client.ask(self.port)
        whole = self._until(lambda: self._entries() == self._expected())
        if self._entries() != self._expected():
            yield f"{kind.name}: the ledger has {self._entries()}, not {self._expected()}"
        queued = f"{self.client.queued_ms} ms of them in the queue"
        print(f"{kind.name:>13}: went on in {seconds:.2f} s, {queued}; ledger whole {whole:.2f} s later", flush=True)
        if self.client.queued_ms > MOST_QUEUED_MS:
            yield f"{kind.name}: the next call waited for capacity that the frozen replica held"

    def _expected(self) -> Books:
        client = self.client
        is_background = bool(client.kind.body.get("background"))
        return Books(entries=len(client.answered) + is_background, found=len(client.answered), lost=0)

    def _entries(self) -> Books:
        with psycopg.connect(self._stores.database_url) as database:
            rows = database.execute(_BOOKS, (self.client.answered, self.project)).fetchall()
        return Books(*rows[0])

    def _until(self, condition: Callable[[], bool]) -> float:
        """Wait until the condition is true, or SETTLED_SECONDS; return the seconds."""
        began = time.monotonic()
        while not condition() and time.monotonic() < began + SETTLED_SECONDS:
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    def _number(self, query: str) -> int:
        with psycopg.connect(self._stores.database_url) as database:
            rows = database.execute(query).fetchall()
        return int(rows[0][0])

    def _look(self) -> Unsettled:
        tag, names = RedisNames(self.prefix).tag, RedisNames(self.prefix)
        with redis.Redis.from_url(self._stores.redis_url) as memory:
            slots = [int(memory.zcard(name)) for name in memory.scan_iter(f"{tag}:flying:*")]
            holds, flights = int(memory.hlen(names.of("holds"))), len(list(memory.scan_iter(f"{tag}:flight:*")))
            in_redis = int(memory.xlen(names.of("ledger")))
        return Unsettled(
            holds=holds,
            slots=sum(slots),
            flights=flights,
            leases=self._number("SELECT count(*) FROM conversations WHERE leased_to IS NOT NULL"),
            transactions=self._number(_BUSY_SESSIONS),
            in_redis=in_redis,
        )


def main() -> int:
    """Freeze, wait, kill, start anew, judge."""
    options = _options()
    try:
        with (
            processes.ending_within(options.deadline + options.minutes * 60),
            tempfile.TemporaryDirectory(prefix="tidegate-frozen-") as folder,
            embedded.running(Path(folder)) as stores,
            _upstream(options.port) as upstream,
        ):
            env = {
                **gateway.environment(upstream, stores),
                **PATIENCE,
                "TIDEGATE_METERING__SPOOL_DIR": f"{folder}/spool",
            }
            gateway.run(["migrate"], env)
            kinds = [kind for kind in KINDS if not options.kind or kind.name in options.kind]
            cases = [Case(kind, options.port + 1 + number, env, stores) for number, kind in enumerate(kinds)]
            complaints = [*_frozen(cases, options.minutes * 60), *_gone_on(cases)]
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return _verdict(complaints, cases)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="for which the replicas are frozen")
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], action="append", help="default: all of them")
    processes.add_deadline(parser, 900)
    parser.add_argument("--port", type=int, default=4880, help=f"the first of {len(KINDS) + 1} ports (default 4880)")
    return parser.parse_args()


@contextlib.contextmanager
def _upstream(port: int) -> Iterator[str]:
    command = gateway.command("simulate", "--port", str(port), "--latency", "0.05")
    with processes.running("simulator", command, core=None, folder=FOLDER) as program:
        processes.until_up(program, f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}/v1"


def _frozen(cases: list[Case], seconds: float) -> list[str]:
    """Freeze a replica for each case, one after the other, and kill them all in the end; return what was unsettled."""
    complaints: list[str] = []
    with contextlib.ExitStack() as stack:
        for case in cases:
            left = case.call_and_freeze(stack.enter_context(case.replica("frozen")))
            print(f"{case.client.kind.name:>13}: {left}", flush=True)
            if not left.is_settled:
                complaints.append(f"{case.client.kind.name}: unsettled at the last byte: {left}")
        time.sleep(seconds)
    return complaints


def _gone_on(cases: list[Case]) -> list[str]:
    complaints: list[str] = []
    for case in cases:
        with case.replica("next"):
            complaints += case.go_on()
    return complaints


def _verdict(complaints: list[str], cases: list[Case]) -> int:
    answered = sum(len(case.client.answered) for case in cases)
    print(f"{answered} calls answered, {len(complaints)} complaints")
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
