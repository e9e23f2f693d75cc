"""A session of a minute, told by its audio: turns of three seconds. `make realtime` plays ten minutes."""

import msgspec
import pytest

from tests.gateway.realtime_sessions import SAID, SILENCE, append_audio, until
from tests.harness import Gateway, World
from tidegate.core.config import MeteringConfig
from tidegate.metering import price_list
from tidegate.metering.prices import Prices
from tidegate.metering.realtime.session_usage import stated_usage

_TURNS_PER_MINUTE = 20


async def test_the_ledger_is_the_sum_of_the_sessions_usage(
    gateway: Gateway, world: World, pytestconfig: pytest.Config
) -> None:
    turns = _TURNS_PER_MINUTE * int(pytestconfig.getoption("--realtime-minutes"))
    prices, stated, costs = Prices(MeteringConfig(), price_list.load()), [], []
    async with gateway.sdk() as client, client.realtime.connect(model="gpt-realtime") as session:
        for _ in range(turns):
            await append_audio(session, SAID, SAID, SILENCE)
            done = (await until(session, "response.done"))[-1].response
            usage = stated_usage(msgspec.json.encode(done.usage.to_dict()))
            assert usage is not None
            stated.append((usage.input, usage.cached, usage.output))
            costs.append(prices.cost("gpt-realtime", usage, at=0.0))
    lines = [line for line in await world.ledger_entries(turns + 1) if line["upstream_request_id"]]
    lines.sort(key=lambda line: int(line["id"].rpartition("-")[2]))
    assert [(line["input_tokens"], line["cached_tokens"], line["output_tokens"]) for line in lines] == stated
    assert [line["cost_nanos"] for line in lines] == costs
    assert sum(costs) == (await world.stats())["cost_nanos"]
