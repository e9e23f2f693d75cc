"""OpenAI's costs report, `GET /v1/organization/costs`, made of the simulator's own bill. Pure.

All that the simulator charged since its start or last reset counts as of its clock's present UTC day.
"""

from collections.abc import Mapping
from typing import Any

from tidegate.simulator.refusal import Refusal

COSTS_PATH = "/v1/organization/costs"
_DAY_SECONDS = 86_400


def costs_page(by_key: Mapping[str, int], query: Mapping[str, str], *, now: float) -> dict[str, Any]:
    """Return the report's only page, with the costs of each key in nano-dollars by its last four characters.

    Raises Refusal where `start_time` is missing.
    """
    try:
        start = int(query["start_time"])
    except (KeyError, ValueError) as error:
        raise Refusal(400, "Missing required parameter: 'start_time'.", param="start_time") from error
    today = int(now) // _DAY_SECONDS * _DAY_SECONDS
    is_asked_for = start <= today < int(query.get("end_time", start + _DAY_SECONDS))
    results = [
        {
            "object": "organization.costs.result",
            "amount": {"value": nanos / 1e9, "currency": "usd"},
            "line_item": None,
            "project_id": None,
            "api_key_id": f"key_{ending}",
        }
        for ending, nanos in by_key.items()
        if query.get("api_key_ids", f"key_{ending}") == f"key_{ending}"
    ]
    day = today if is_asked_for else start
    bucket = {
        "object": "bucket", "start_time": day, "end_time": day + _DAY_SECONDS,
        "results": results if is_asked_for else [],
    }  # fmt: skip
    return {"object": "page", "data": [bucket], "has_more": False, "next_page": None}
