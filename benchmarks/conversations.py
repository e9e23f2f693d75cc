"""What stored conversations cost: the next turn of a long one, a million items, a stored call beside an unstored one.

`python -m benchmarks.conversations [--items 1000000]`; prints the figures.
"""

import argparse
import asyncio
import itertools
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from benchmarks import archive_load, contestants, gateway, long_turns, processes
from benchmarks.archive_load import ITEMS_EACH
from benchmarks.contestants import FOLDER
from benchmarks.long_turns import WORDS, Spread
from benchmarks.peers.peer import Running
from benchmarks.processes import MEASURED_CORE, OTHER_CORE, BenchmarkError
from benchmarks.store_processes import store_processes
from tidegate.conversations.documents.records import Conversation, ConversationItem, PageRequest, StoredResponse
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import SystemClock
from tidegate.core.ids import new_id
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.schema.migrate import migrate

TURNS = 1000
POOL = 20
CALLERS = 200
_BLOCK = 50
"""Calls of one kind in a row."""

Act = Callable[[], Awaitable[object]]


def main() -> int:
    """Fill, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1000, help="how often each thing is done (default 1000)")
    processes.add_deadline(parser, 7200)
    parser.add_argument("--port", type=int, default=4560, help="the first of five ports (default 4560)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER / "conversations", help="where the stores keep their data"
    )
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline), embedded.running(options.folder) as stores:
            _servers_to(OTHER_CORE, options.folder)
            migrate(stores.database_url)
            began = time.monotonic()
            archive_load.fill(stores.database_url, options.items)
            print(f"{options.items:,} items are stored ({time.monotonic() - began:.0f} s)")
            processes.stay_on(MEASURED_CORE)
            print("\n| | p10 ms | p50 ms | p99 ms |\n|---|---:|---:|---:|")
            uvloop.run(_stores(stores, options.items // ITEMS_EACH, options.rounds))
            _calls(stores, options)
            _long_turns(stores, options)
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _servers_to(core: int, folder: Path) -> None:
    """Keep the stores' processes off the core that is measured."""
    for process in store_processes(folder):
        process.cpu_affinity([core])


def _told(name: str, spread: Spread) -> None:
    print(f"| {name} | {spread.p10:.2f} | {spread.p50:.2f} | {spread.p99:.2f} |", flush=True)


async def _timed(act: Act, times: int) -> Spread:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        await act()
        seconds.append(time.perf_counter() - began)
    return Spread.of(seconds)


async def _stores(stores: StoreUrls, conversations: int, rounds: int) -> None:
    postgres = Postgres(stores.database_url, size=POOL, timeout=30.0)
    try:
        desk = _Desk(postgres, conversations)
        for name, act in desk.acts():
            await _timed(act, 20)
            _told(name, await _timed(act, rounds))
        await _long_conversations(desk, rounds // 10)
        await _crowd(desk, postgres)
    finally:
        await postgres.close()


class _Desk:
    """What is done to the archive; the same dice each time."""

    def __init__(self, postgres: Postgres, conversations: int) -> None:
        archive = StoreBase(postgres, SystemClock())
        self.responses = ResponseStore(archive)
        self.conversations = ConversationStore(archive)
        self.completions = CompletionStore(archive)
        self._dice = random.Random(7)
        self._many = conversations

    def acts(self) -> Iterator[tuple[str, Act]]:
        """Each by its name."""
        yield "list 20 items", self._list
        yield "get an item", self._item
        yield "append 2 items", self._append
        yield "get a response", self._response
        yield "save a turn that begins a chain", self.save
        yield "list 20 completions by model", lambda: self.completions.list("load", PageRequest(), model="gpt-4o")
        yield "list 20 completions by metadata", self._by_metadata

    def _any(self) -> str:
        return f"conv_{self._dice.randint(1, self._many)}"

    async def _list(self) -> None:
        page = await self.conversations.items("load", self._any(), PageRequest())
        assert len(page.items) == 20  # noqa: S101  # else there is nothing to measure

    async def _item(self) -> None:
        n = self._dice.randint(1, self._many)
        await self.conversations.get_item("load", f"conv_{n}", f"msg_{n}_{self._dice.randint(1, ITEMS_EACH)}")

    async def _response(self) -> None:
        n = self._dice.randint(1, self._many)
        await self.responses.get("load", f"resp_{n}_{self._dice.randint(1, ITEMS_EACH // 2)}")

    async def _append(self) -> None:
        await self.conversations.add_items("load", self._any(), turn())

    async def _by_metadata(self) -> None:
        await self.completions.list("load", PageRequest(), metadata={"batch": str(self._dice.randint(0, 999))})

    async def save(self, **fields: object) -> str:
        """A turn; the response's id."""
        id_ = new_id("resp_")
        document = msgspec.json.encode({"id": id_, "object": "response", "model": "gpt-4o-mini"})
        given = {"id": id_, "model": "gpt-4o-mini", "created_at": time.time(), "document": document, **fields}
        version = given.pop("version", None)
        asked, said = turn()
        await self.responses.save("load", StoredResponse(**given), [asked], [said], version=version)  # type: ignore[arg-type]  # as named
        return id_


def turn() -> tuple[ConversationItem, ConversationItem]:
    """A question and an answer."""
    kinds = (("user", "input_text"), ("assistant", "output_text"))
    asked, said = (
        {"id": new_id("msg_"), "type": "message", "role": role, "content": [{"type": kind, "text": WORDS}]}
        for role, kind in kinds
    )
    return ConversationItem.from_document(msgspec.json.encode(asked)), ConversationItem.from_document(
        msgspec.json.encode(said)
    )


async def _long_conversations(desk: _Desk, rounds: int) -> None:
    """Two conversations of TURNS turns, and how long the next turn is held up by what was said before."""
    named = Conversation(id=new_id("conv_"), created_at=time.time())
    await desk.conversations.create("load", named)
    last: str | None = None
    for _ in range(TURNS):
        await desk.save(conversation_id=named.id)
        last = await desk.save(previous_response_id=last)

    async def next_in_conversation() -> None:
        past = await desk.conversations.begin_turn("load", named.id, new_id("resp_"))
        await desk.save(conversation_id=named.id, version=past.version)

    async def next_in_chain() -> None:
        nonlocal last
        assert last is not None  # noqa: S101  # TURNS is not 0
        await desk.responses.history("load", last)
        last = await desk.save(previous_response_id=last)

    _told(f"the next turn after {TURNS:,}, in a conversation", await _timed(next_in_conversation, rounds))
    _told(f"the next turn after {TURNS:,}, in a chain", await _timed(next_in_chain, rounds))


async def _crowd(desk: _Desk, postgres: Postgres) -> None:
    """CALLERS at once: how many connections they need."""
    most = 0
    acts = itertools.cycle([act for _, act in desk.acts()][:5])

    async def call() -> None:
        for _ in range(10):
            await next(acts)()

    crowd = asyncio.gather(*(call() for _ in range(CALLERS)))
    while not crowd.done():
        async with postgres.connection() as connection:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate'"
            most = max(most, await connection.fetchval(count))
        await asyncio.sleep(0.05)
    await crowd
    print(f"\n{CALLERS} callers at once never had more than {most} connections (the pool has {POOL})", flush=True)


def _calls(stores: StoreUrls, options: argparse.Namespace) -> None:
    """Chat completions over HTTP, stored and not, one after the other."""
    env = {"TIDEGATE_CACHE__ENABLED": "false"}
    ports = contestants.Ports.above(options.port)
    key = gateway.make_key(gateway.environment("", stores))
    with (
        contestants.upstream(ports.upstream),
        contestants.tidegate(ports, stores, key=key, settings=env) as running,
    ):
        processes.stay_on(OTHER_CORE)
        seen = uvloop.run(_alternately(running, options))
    print()
    for store in (False, True):
        _told(f"a chat completion, {'stored' if store else 'unstored'}", Spread.of(seen[store].taken))
    more = [1000 * (seen[True].cpu[n] - seen[False].cpu[n]) / options.rounds for n in (0, 1)]
    print(f"\na stored call costs {more[0]:.2f} ms of CPU more in the gateway, and {more[1]:.2f} ms in the stores")


def _long_turns(stores: StoreUrls, options: argparse.Namespace) -> None:
    """The next turn over HTTP, with the defaults, but for an upstream that has room for such long calls."""
    env = {"TIDEGATE_UPSTREAM__TPM": "1000000000", "TIDEGATE_UPSTREAM__RPM": "1000000"}
    ports = contestants.Ports.above(options.port)
    key = gateway.make_key(gateway.environment("", stores))
    with (
        contestants.upstream(ports.upstream),
        contestants.tidegate(ports, stores, key=key, settings=env) as running,
    ):
        processes.stay_on(OTHER_CORE)
        print()
        for name, spread in uvloop.run(long_turns.measure(running, turns=TURNS, rounds=options.rounds // 5)):
            _told(name, spread)


class _Calls(msgspec.Struct):
    """Calls of one kind."""

    taken: list[float] = msgspec.field(default_factory=list)
    """Seconds of each."""
    cpu: tuple[float, float] = (0.0, 0.0)
    """Seconds that the gateway and the stores have worked for all."""


async def _alternately(running: Running, options: argparse.Namespace) -> dict[bool, _Calls]:
    """Some stored, some not, and so on: what else the machine does befalls both alike."""
    seen = {True: _Calls(), False: _Calls()}
    headers = {"authorization": f"Bearer {running.target.key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        await _some(http, running, _Calls(), options.folder, store=True)
        for _ in range(options.rounds // _BLOCK):
            for store, calls in seen.items():
                await _some(http, running, calls, options.folder, store=store)
    return seen


async def _some(http: aiohttp.ClientSession, running: Running, calls: _Calls, folder: Path, *, store: bool) -> None:
    before = _worked(running, folder)
    for _ in range(_BLOCK):
        message = {"role": "user", "content": f"{new_id('')} {WORDS}"}
        began = time.perf_counter()
        async with http.post(
            running.target.url, json={"model": contestants.MODEL, "messages": [message], "store": store}
        ) as answer:
            if answer.status != 200:
                raise BenchmarkError(await answer.text())
            await answer.read()
        calls.taken.append(time.perf_counter() - began)
    after = _worked(running, folder)
    calls.cpu = (calls.cpu[0] + after[0] - before[0], calls.cpu[1] + after[1] - before[1])


def _worked(running: Running, folder: Path) -> tuple[float, float]:
    """CPU seconds of the gateway and of the stores so far."""
    return running.program.cpu_seconds(), sum(sum(process.cpu_times()[:2]) for process in store_processes(folder))


if __name__ == "__main__":
    sys.exit(main())
