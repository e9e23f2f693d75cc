"""Key material is in no log, error, repr or table, whatever fails."""

import asyncio
import gc

import aiohttp
import pytest

from tests.harness import CHAT, RESPONSES, UPSTREAM_KEY, Gateway, World, ask
from tidegate.pipeline.context import InferenceRequest, RequestContext
from tidegate.pipeline.pipeline import Pipeline
from tidegate.simulator import Fault

SHORT = {"first_byte_seconds": 0.3, "idle_seconds": 0.3}
WRONG = "sk-tg-mistyped0by0somebody0in0a0hurry0and0not0a0key"


async def test_a_process_that_met_every_fault_has_written_no_key(world: World) -> None:
    async with world.process(upstream=SHORT, log_level="debug") as gateway:
        said = await all_that_goes_wrong(gateway)
        code = await gateway.stop()
    assert code == 0, gateway.log
    lines = await world.ledger_entries(2 * 2 * len(Fault))
    for secret in (UPSTREAM_KEY, world.key, WRONG, "sk-simul", UPSTREAM_KEY[-12:], world.key[10:30]):
        for place in (gateway.log, said, str(lines)):
            assert secret not in place
    assert gateway.log.count("upstream call failed") >= len(Fault)
    assert "Traceback" not in gateway.log


async def all_that_goes_wrong(gateway: Gateway) -> str:
    """Make every fault in every form happen, and callers' mistakes; return all answers.

    Each call has its own model, so that no call waits for another's rate limit.
    """
    said = []
    for number, fault in enumerate(Fault):
        calls = [
            gateway.call(
                path,
                {**body, "model": f"tide-{number}-{path[1:5]}-{streamed}", "stream": streamed, "user": str(number)},
                x_simulate_fault=fault,
                x_tidegate_deadline="0",
            )
            for path, body in (("/chat/completions", CHAT), ("/responses", RESPONSES))
            for streamed in (False, True)
        ]
        said += [f"{answer.headers}{answer.text}" for answer in await asyncio.gather(*calls)]
    for header in (f"Bearer {WRONG}", f"Basic {WRONG}", WRONG):
        said.append(str(await gateway.chat(authorization=header)))
    said.append(str(await gateway.chat(ask("no", model=7))))
    async with gateway.open("/nowhere") as response:
        said.append(await response.text())
    return "".join(said)


async def test_reprs_hold_no_key(world: World) -> None:
    async with world.gateway() as gateway:
        slow = asyncio.create_task(gateway.chat(x_simulate_latency="30"))
        await world.wait_for_stats(in_flight=1)
        ours = [thing for thing in gc.get_objects() if str(type(thing).__module__).startswith("tidegate.")]
        texts = [repr(thing) for thing in ours]
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        await world.wait_for_stats(in_flight=0)
    assert {InferenceRequest, RequestContext, Pipeline} <= {type(thing) for thing in ours}
    for secret in (UPSTREAM_KEY, world.key):
        assert [text[:200] for text in texts if secret in text] == []


async def test_the_settings_show_none(world: World) -> None:
    settings = world.settings()
    assert UPSTREAM_KEY not in repr(settings) + str(settings) + settings.model_dump_json()


async def test_the_upstream_is_given_its_own_key_and_never_the_callers(gateway: Gateway, world: World) -> None:
    await gateway.chat()
    (request,) = (await world.stats())["requests"]
    assert request["key_ends"] == UPSTREAM_KEY[-4:]


@pytest.mark.parametrize("header", ["authorization", "cookie", "x-forwarded-for", "user-agent", "x-stainless-lang"])
async def test_a_callers_private_headers_stay_here(world: World, header: str) -> None:
    seen: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with world.gateway(upstream={"base_url": address}) as gateway:
            private = {header.replace("-", "_"): "Bearer mine"} if header != "authorization" else {}
            assert (await gateway.chat(x_client_request_id="abc", **private)).status == 502
    assert "mine" not in seen[0]
    assert gateway.key not in seen[0]
    assert "x-client-request-id: abc" in seen[0].lower()
    assert f"Bearer {UPSTREAM_KEY}" in seen[0]
    assert isinstance(gateway.http, aiohttp.ClientSession)
