"""A call that states no limit gets one that its budget can pay, and only where it needs one."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tidegate.core import endpoints
from tidegate.core.config import MeteringConfig, ModelPrice
from tidegate.core.endpoints import Endpoint
from tidegate.metering import price_list
from tidegate.metering.assumed_output import OutputAssumption, assumed_output
from tidegate.metering.prices import Prices
from tidegate.wire.call import Call, parse

AT = 1_795_780_800.0
DOLLAR = 1_000_000_000
PRICES = Prices(
    MeteringConfig(
        prices={
            "gpt-4o": ModelPrice(input=Decimal(1), output=Decimal(10)),
            "gpt-5": ModelPrice(input=Decimal(1), output=Decimal(40)),
            "own": ModelPrice(input=Decimal(1), output=Decimal(1)),
            "free": ModelPrice(input=Decimal(1), output=Decimal(0)),
        }
    ),
    price_list.load(),
)


def call(route: Endpoint = endpoints.CHAT, **fields: Any) -> Call:
    said: dict[str, Any] = {"input": "hi"} if route is not endpoints.CHAT else {"messages": []}
    return parse(route, msgspec.json.encode({"model": "gpt-5", **said, **fields}))


def limit(
    asked: Call, *models: str, budget: int = DOLLAR, tokens: int | None = None, share: float = 0.05
) -> int | None:
    return assumed_output(
        asked,
        PRICES,
        at=AT,
        targets_by_model={model: ["openai/" + model] for model in models or ("gpt-5",)},
        budget_nanos=budget,
        assumption=OutputAssumption(tokens=tokens, share=share),
    )


@pytest.mark.parametrize(
    ("asked", "models", "options", "tokens"),
    [
        (call(), (), {}, 1024),  # $0.05 pays 1,250
        (call(), (), {"budget": 2 * DOLLAR}, 2048),
        (call(), (), {"share": 1.0}, 16_384),
        (call(), (), {"budget": 1_000_000}, 256),
        (call(), (), {"budget": 0}, 256),
        (call(), (), {"budget": 103 * DOLLAR}, None),  # pays all that the model can write
        (call(), (), {"tokens": 4000}, 4000),
        (call(), (), {"tokens": 128_000}, None),
        (call(n=4), (), {}, 256),
        (call(endpoints.RESPONSES), (), {}, 1024),
        (call(endpoints.EMBEDDINGS), (), {}, None),
        (call(max_tokens=9), (), {}, None),
        (call(max_completion_tokens=9), (), {}, None),
        (call(endpoints.RESPONSES, max_output_tokens=9), (), {"tokens": 4000}, None),
        (call(), ("gpt-4o",), {"tokens": 20_000}, None),  # it writes 16,384
        (call(), ("gpt-5", "gpt-4o"), {"tokens": 20_000}, 16_384),  # either may answer, and must take the limit
        (call(), ("gpt-5", "gpt-4o"), {}, 1024),
        (call(), ("own",), {}, 4096),  # $0.05 pays 50,000: its server may refuse so many
        (call(), ("own",), {"budget": 3 * DOLLAR}, None),
        (call(), ("free",), {}, None),
    ],
)
def test_the_limit_is_what_the_budget_pays(
    asked: Call, models: tuple[str, ...], options: dict[str, Any], tokens: int | None
) -> None:
    assert limit(asked, *models, **options) == tokens
