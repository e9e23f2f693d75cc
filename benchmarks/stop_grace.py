"""A stream of 25 s survives `docker stop -t 40`, and one of 60 s ends with an error event; both are billed.

`docker stop -t 40` is SIGTERM, 40 s, SIGKILL. `python -m benchmarks.stop_grace [--scale 1]`; 0.5 halves the times.
Exits 1 where it is not so.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psycopg
import uvloop

from benchmarks import gateway, processes
from benchmarks.contestants import FOLDER, MODEL
from benchmarks.processes import BenchmarkError, Program
from tidegate.storage import embedded

GRACE_SECONDS, MARGIN_SECONDS = 35.0, 5.0
"""For answers in progress, and from then on until SIGKILL."""
SHORT_SECONDS, LONG_SECONDS = 25.0, 60.0
"""How long each of the two streams takes."""
TOKENS_PER_SECOND = 4
LEDGER_SECONDS = 60.0


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One stream that went on when the gateway was told to end."""

    request_id: str
    seconds: float
    """After SIGTERM, until its last byte."""
    text: str

    @property
    def is_whole(self) -> bool:
        """Whether it came to its own end."""
        return self.text.endswith("data: [DONE]\n\n") and '"error"' not in self.text

    @property
    def error(self) -> str:
        """The code of the error event that ended it; empty for none."""
        events = [line.removeprefix("data: ") for line in self.text.splitlines() if '"error"' in line]
        return str(json.loads(events[-1])["error"]["code"]) if events else ""


class Booked(msgspec.Struct, frozen=True):
    """What the ledger has of one of them."""

    outcome: str
    output_tokens: int
    cost_nanos: int


def main() -> int:
    """Stream, stop, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the streams and the grace (default 1)")
    parser.add_argument(
        "--short", type=float, default=SHORT_SECONDS, help="seconds of the first stream, times the scale"
    )
    parser.add_argument("--margin", type=float, default=MARGIN_SECONDS, help="seconds from the grace to SIGKILL")
    processes.add_deadline(parser, 900)
    parser.add_argument("--port", type=int, default=4740, help="the first of two ports (default 4740)")
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline), tempfile.TemporaryDirectory(prefix="tidegate-stop-") as folder:
            return _run(Path(folder), options)
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _run(folder: Path, options: argparse.Namespace) -> int:
    port, scale = options.port, options.scale
    grace = round(GRACE_SECONDS * scale)
    lengths = [options.short * scale, LONG_SECONDS * scale]
    upstream, root = f"http://127.0.0.1:{port}/v1", f"http://127.0.0.1:{port + 1}"
    simulate = gateway.command("simulate", "--port", str(port), "--tps", str(TOKENS_PER_SECOND))
    with (
        embedded.running(folder / "stores") as stores,
        processes.running("stop-upstream", simulate, core=None, folder=FOLDER) as simulator,
    ):
        processes.until_up(simulator, f"{upstream}/models")
        env = gateway.environment(upstream, stores) | {
            "TIDEGATE_DATA_DIR": str(folder / "data"),
            "TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["x-simulate-*"]',
            "TIDEGATE_SERVER__GRACE_SECONDS": str(grace),
        }
        key = gateway.make_key(env)
        serve = gateway.command("serve", "--port", str(port + 1))
        with processes.running("stop-gateway", serve, core=None, folder=FOLDER, env=env) as program:
            processes.until_up(program, f"{root}/readyz")
            streams, ended, code = uvloop.run(_stop_amid(program, root, key, lengths, grace + options.margin))
        due = grace + options.margin
        print(f"the gateway ended {ended:.1f} s after SIGTERM with {code}; SIGKILL was due after {due:g} s")
        return _verdict(streams, _booked(stores.database_url, streams), code, lengths)


async def _stop_amid(
    program: Program, root: str, key: str, lengths: Sequence[float], wait: float
) -> tuple[list[Stream], float, int | None]:
    """Stop it while the streams go on; return them, the seconds until it ended, and its exit code."""
    begun, stopped = asyncio.Semaphore(0), asyncio.Event()
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"}) as http:
        reading = [asyncio.create_task(_read(http, root, seconds, begun, stopped)) for seconds in lengths]
        for _ in lengths:
            await begun.acquire()
        program.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        stopped.set()
        code = await asyncio.to_thread(_until_ended, program, wait)
        ended = time.monotonic() - told
        if code is None:
            program.process.kill()
        return await asyncio.gather(*reading), ended, code


def _until_ended(program: Program, seconds: float) -> int | None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        code = program.process.poll()
        if code is not None:
            return code
        time.sleep(0.05)
    return None


async def _read(
    http: aiohttp.ClientSession, root: str, seconds: float, begun: asyncio.Semaphore, stopped: asyncio.Event
) -> Stream:
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": f"Speak for {seconds:g} s"}],
        "max_tokens": round(seconds * TOKENS_PER_SECOND),
        "stream": True,
    }
    words = {"x-simulate-tokens": str(body["max_tokens"])}
    text, told = b"", 0.0
    async with http.post(f"{root}/v1/chat/completions", json=body, headers=words) as answer:
        try:
            async for piece in answer.content.iter_any():
                if not text:
                    begun.release()
                    await stopped.wait()
                    told = time.monotonic()
                text += piece
        except aiohttp.ClientError as error:
            raise BenchmarkError(f"the stream of {seconds:g} s was cut off: {error!r}") from error
        took = time.monotonic() - told
        return Stream(request_id=answer.headers["x-request-id"], seconds=took, text=text.decode())


def _booked(database_url: str, streams: Sequence[Stream]) -> list[Booked | None]:
    """Return what the ledger has of each, once it has had time to drain; the gateway drains it before it ends."""
    rows: list[Booked | None] = []
    with psycopg.connect(database_url, autocommit=True) as database:
        for stream in streams:
            query = "SELECT outcome, output_tokens, cost_nanos FROM ledger WHERE id = %s"
            row = database.execute(query, (stream.request_id,)).fetchone()
            rows.append(Booked(*row) if row else None)
    return rows


def _verdict(
    streams: Sequence[Stream], booked: Sequence[Booked | None], code: int | None, lengths: Sequence[float]
) -> int:
    for wanted, stream, line in zip(lengths, streams, booked, strict=True):
        how = "came to its end" if stream.is_whole else f"ended with {stream.error or 'nothing'}"
        print(f"a stream of {wanted:g} s {how} {stream.seconds:.1f} s after SIGTERM; in the ledger: {line}")
    short, long = streams
    good = short.is_whole and not long.is_whole and long.error and code == 0
    billed = all(line is not None and line.cost_nanos > 0 and line.output_tokens > 0 for line in booked)
    return 0 if good and billed else 1


if __name__ == "__main__":
    sys.exit(main())
