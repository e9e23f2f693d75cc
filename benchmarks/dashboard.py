"""What the dashboard costs on a large ledger: its first view, its lists, and ten pages that stay open.

`python -m benchmarks.dashboard [--entries 1000000] [--conversations 100000]`. A page is opened as a browser opens it:
the page and its files over six connections, the session, and the stream of events until the first overview. Exits 1
when a bound is passed.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import msgspec
import uvloop

from benchmarks import gateway, ledger_load, processes
from benchmarks.contestants import FOLDER
from benchmarks.processes import MEASURED_CORE, BenchmarkError, Program
from benchmarks.store_processes import StoresCpu
from tidegate.storage import embedded

MAX_VIEW_SECONDS = 0.3
MAX_PAGE_BYTES = 150_000
MAX_CPU_MS_A_SECOND = 10.0
PAGES = 10
FIRST_VIEWS = 15
RANGES = ("1h", "24h", "7d", "30d")
_CONNECTIONS = 6
"""As many as a browser opens to one host."""
_LISTS = {
    "conversations, the newest": {},
    "conversations of a project": {"project": "load"},
}
_SEARCHES = {
    "a search for words of one message": {"query": "number 4711"},
    "a search for a word of all messages": {"query": "tide"},
}
"""Printed only: what a search takes depends on its words."""
_FILES = Path(__file__).parent.parent / "tidegate" / "web" / "dashboard" / "files"


class Rig(msgspec.Struct, frozen=True):
    """A gateway on a full database, and an operator's key."""

    program: Program
    folder: Path
    """Where the stores work."""
    root: str
    key: str


def main() -> int:
    """Fill, measure, print; 1 where a bound was passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000, help="lines of the ledger (default 1000000)")
    parser.add_argument("--conversations", type=int, default=100_000, help="stored ones (default 100000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="that ten pages stay open (default 20)")
    processes.add_deadline(parser, 1800)
    parser.add_argument("--port", type=int, default=4780, help="of the gateway (default 4780)")
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline), _rig(options) as rig:
            return int(not uvloop.run(_measure(rig, options.seconds)))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


@contextlib.contextmanager
def _rig(options: argparse.Namespace) -> Iterator[Rig]:
    root = f"http://127.0.0.1:{options.port}"
    with tempfile.TemporaryDirectory(prefix="tidegate-page-") as folder, contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(Path(folder)))
        env = gateway.environment("", stores)
        gateway.run(["migrate"], env)
        made = gateway.run(["keys", "create", "--project", "operators", "--name", "page", "--admin", "--json"], env)
        ledger_load.fill(stores.database_url, options.entries, options.conversations)
        serve = gateway.command("serve", "--port", str(options.port))
        started = processes.running("dashboard-gateway", serve, core=MEASURED_CORE, folder=FOLDER, env=env)
        program = stack.enter_context(started)
        processes.until_up(program, f"{root}/readyz")
        began = time.monotonic()
        while ledger_load.slots_to_sum(stores.database_url):
            time.sleep(1)
        summed = time.monotonic() - began
        print(
            f"{options.entries:,} ledger entries, summed after {summed:.0f} s; {options.conversations:,} conversations"
        )
        yield Rig(program=program, folder=Path(folder), root=root, key=str(json.loads(made)["key"]))


async def _measure(rig: Rig, seconds: float) -> bool:
    kept = [await _first_view(rig, shown) for shown in RANGES]
    async with _browser(rig) as http:
        kept += [await _list_view(http, rig, name, query) for name, query in _LISTS.items()]
        for name, query in _SEARCHES.items():
            await _list_view(http, rig, name, query)
    return all([*kept, await _open_pages(rig, seconds)])


@contextlib.asynccontextmanager
async def _browser(rig: Rig) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client with the session's cookie, and no connection open."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as first:
        async with first.post(f"{rig.root}/dashboard/session", json={"key": rig.key}) as answer:
            answer.raise_for_status()
        connector, timeout = aiohttp.TCPConnector(limit=_CONNECTIONS), aiohttp.ClientTimeout(60)
        async with aiohttp.ClientSession(cookie_jar=jar, connector=connector, timeout=timeout) as http:
            yield http


async def _first_view(rig: Rig, shown: str) -> bool:
    """Open the page several times; return whether the median kept its bounds."""
    views = []
    for _ in range(FIRST_VIEWS):
        async with _browser(rig) as http:
            began = time.perf_counter()
            size = len(await _get(http, f"{rig.root}/dashboard"))
            names = [path.relative_to(_FILES) for path in _FILES.rglob("*") if path.is_file()]
            files = [_get(http, f"{rig.root}/dashboard/files/{name}") for name in names if name.name != "index.html"]
            size += sum(map(len, await asyncio.gather(*files)))
            await _get(http, f"{rig.root}/dashboard/session")
            await _first_event(http, rig, shown)
            views.append(time.perf_counter() - began)
    took = statistics.median(views)
    most = f"at most {max(views) * 1000:.0f}, {MAX_VIEW_SECONDS * 1000:.0f} are allowed; {size / 1000:.0f} kB"
    print(f"first view of {shown}: {took * 1000:.0f} ms at the median, {most}", flush=True)
    return took <= MAX_VIEW_SECONDS and size <= MAX_PAGE_BYTES


async def _list_view(http: aiohttp.ClientSession, rig: Rig, name: str, query: dict[str, str]) -> bool:
    seconds = []
    for _ in range(FIRST_VIEWS):
        began = time.perf_counter()
        found = await _get(http, f"{rig.root}/admin/v1/conversations?{urlencode({**query, 'limit': '20'})}")
        seconds.append(time.perf_counter() - began)
    rows = len(json.loads(found)["data"])
    took = statistics.median(seconds)
    print(f"{name}: {rows} rows in {took * 1000:.0f} ms at the median, at most {max(seconds) * 1000:.0f}", flush=True)
    return took <= MAX_VIEW_SECONDS and rows > 0


async def _open_pages(rig: Rig, seconds: float) -> bool:
    """Hold ten pages open; return whether what they cost more than none kept its bound."""
    idle = await _cost(rig, seconds)
    async with contextlib.AsyncExitStack() as stack:
        address = f"{rig.root}/dashboard/events?range=24h"
        opened = [await stack.enter_async_context(_stream(rig, address)) for _ in range(PAGES)]
        readers = [asyncio.create_task(_read_on(answer)) for answer in opened]
        await asyncio.sleep(2)
        busy = await _cost(rig, seconds)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    gateway_ms, stores_ms = (1000 * (now - before) for now, before in zip(busy, idle, strict=True))
    print(f"{PAGES} open pages: {gateway_ms:.1f} ms of CPU a second in the gateway, {stores_ms:.1f} in the stores")
    return gateway_ms <= MAX_CPU_MS_A_SECOND


@contextlib.asynccontextmanager
async def _stream(rig: Rig, address: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with _browser(rig) as http, http.get(address) as answer:
        answer.raise_for_status()
        yield answer


async def _read_on(answer: aiohttp.ClientResponse) -> None:
    async for _ in answer.content:
        pass


async def _cost(rig: Rig, seconds: float) -> tuple[float, float]:
    """Return CPU seconds a second: of the gateway, and of both stores."""
    stores = StoresCpu(rig.folder)
    before, stores_before = rig.program.cpu_seconds(), sum(stores.seconds())
    await asyncio.sleep(seconds)
    used, stores_used = rig.program.cpu_seconds() - before, sum(stores.seconds()) - stores_before
    return used / seconds, stores_used / seconds


async def _get(http: aiohttp.ClientSession, address: str) -> bytes:
    async with http.get(address) as answer:
        answer.raise_for_status()
        return await answer.read()


async def _first_event(http: aiohttp.ClientSession, rig: Rig, shown: str) -> None:
    async with http.get(f"{rig.root}/dashboard/events?range={shown}") as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"event: overview"):
                return
    raise BenchmarkError("The stream of events ended before its first overview.")


if __name__ == "__main__":
    sys.exit(main())
