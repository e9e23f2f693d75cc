"""Each failure of the upstream reaches the caller as its typed error, and the ledger by its name."""

import pytest

from tests.harness import CHAT, RESPONSES, UPSTREAM_KEY, Answer, Gateway, Json, World

PATHS = {"/chat/completions": CHAT, "/responses": RESPONSES}
CLOCKS = {"timeout": {"first_byte_seconds": 0.4}, "stall": {"idle_seconds": 0.4}}
"""Only the timeout that a fault exceeds is short: a busy machine exceeds any."""

BEFORE = [
    # fault, status, code, name, retried by clients
    ("invalid_key", 401, "invalid_api_key", "invalid_upstream_key", False),
    ("organization_mismatch", 401, "mismatched_organization", "mismatched_organization", False),
    ("forbidden", 403, "unsupported_country_region_territory", "upstream_forbidden", False),
    ("model_not_found", 404, "model_not_found", "model_not_found", False),
    ("context_length", 400, "context_length_exceeded", "context_length_exceeded", False),
    ("content_policy", 400, "content_policy_violation", "content_policy_violation", False),
    ("rate_limited", 429, "rate_limit_exceeded", "upstream_rate_limited", True),
    ("rate_limited_tokens", 429, "rate_limit_exceeded", "upstream_rate_limited", True),
    ("rate_limited_day", 429, "rate_limit_exceeded", "upstream_rate_limited", True),
    ("rate_limited_bare", 429, "rate_limit_exceeded", "upstream_rate_limited", True),
    ("request_too_large", 429, "rate_limit_exceeded", "request_exceeds_upstream_limit", False),
    ("out_of_quota", 429, "insufficient_quota", "insufficient_quota", False),
    ("slow_down", 429, "slow_down", "slow_down", True),
    ("overloaded", 503, "server_is_overloaded", "server_is_overloaded", True),
    ("server_error", 500, "server_error", "server_error", True),
    ("html_from_proxy", 502, "html_from_proxy", "html_from_proxy", True),
    ("integer_code", 502, "502", "server_error", True),
    ("timeout", 504, "first_byte_timeout", "first_byte_timeout", True),
    ("connection", 502, "connection_failed", "connection_failed", True),
]
WHOLE = [
    ("truncated", 502, "truncated_answer", "truncated_answer", True),
    ("truncated_clean", 502, "malformed_answer", "malformed_answer", True),
    ("stall", 504, "idle_timeout", "idle_timeout", True),
    ("error_in_stream", 500, "server_error", "server_error", True),
    ("malformed", 502, "malformed_answer", "malformed_answer", True),
    ("preflight_failure_in_stream", 400, "context_length_exceeded", "context_length_exceeded", False),
]
INSIDE = [
    # fault, code, name; the stream had begun, so the status was 200
    ("truncated", "truncated_answer", "truncated_answer"),
    ("truncated_clean", "truncated_answer", "truncated_answer"),
    ("stall", "idle_timeout", "idle_timeout"),
    ("error_in_stream", "server_error", "server_error"),
    ("malformed", "malformed_answer", "malformed_answer"),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("fault", "status", "code", "name", "retried"), BEFORE)
async def test_a_failure_before_the_answer(
    world: World,
    path: str,
    fault: str,
    status: int,
    code: str,
    name: str,
    retried: bool,
    streamed: bool,
) -> None:
    async with world.gateway(upstream=CLOCKS.get(fault)) as gateway:
        answer = await gateway.call(
            path, {**PATHS[path], "stream": streamed}, x_simulate_fault=fault, x_tidegate_deadline="0"
        )
        assert_error(answer, status, code, name, retried=retried)
    (line,) = await world.ledger_entries(1)
    assert (line["outcome"], line["cache"]) == (name, "miss")
    assert (line["cost_nanos"] > 0) is (fault == "timeout")  # a request that was accepted may have been read
    assert await world.calls(path.strip("/").partition("/")[0]) == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("fault", "status", "code", "name", "retried"), WHOLE)
async def test_a_failure_within_an_answer_that_is_not_streamed(
    world: World,
    path: str,
    fault: str,
    status: int,
    code: str,
    name: str,
    retried: bool,
) -> None:
    async with world.gateway(upstream=CLOCKS.get(fault)) as gateway:
        assert_error(
            await gateway.call(path, PATHS[path], x_simulate_fault=fault, x_tidegate_deadline="0"),
            status,
            code,
            name,
            retried=retried,
        )
        assert (await gateway.call(path, PATHS[path])).headers["x-tidegate-cache"] == "miss"
    failed, _ = await world.ledger_entries(2)
    assert failed["outcome"] == name


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("fault", "code", "name"), INSIDE)
async def test_a_failure_within_a_stream(world: World, path: str, fault: str, code: str, name: str) -> None:
    async with world.gateway(upstream=CLOCKS.get(fault)) as gateway:
        answer = await gateway.call(
            path, {**PATHS[path], "stream": True}, x_simulate_fault=fault, x_tidegate_deadline="0"
        )
        again = await gateway.call(
            path, {**PATHS[path], "stream": True}, x_simulate_fault=fault, x_tidegate_deadline="0"
        )
    assert answer.status == 200
    assert "[DONE]" not in answer.text
    last = answer.events[-1]
    assert last["error"]["code"] == code
    assert last["error"]["message"]
    if path == "/responses":
        assert answer.text.count("event: error\n") == 1
        assert (last["type"], last["code"], last["message"]) == ("error", code, last["error"]["message"])
        assert last["sequence_number"] == len(answer.events) - 1
    assert again.headers["x-tidegate-cache"] == "miss"
    first, second = await world.ledger_entries(2)
    assert (first["outcome"], second["outcome"]) == (name, name)
    refused = fault == "preflight_failure_in_stream"  # before the first word: the upstream charges nothing
    assert first["estimated"] is not refused
    assert (first["input_tokens"] > 0) is not refused


def assert_error(answer: Answer, status: int, code: str, name: str, *, retried: bool) -> None:
    assert answer.status == status, answer.text
    assert answer.error["code"] == code
    assert answer.headers["x-tidegate-error"] == name
    assert answer.headers["x-should-retry"] == ("true" if retried else "false")
    assert answer.headers["content-type"] == "application/json"
    assert UPSTREAM_KEY not in answer.text


@pytest.mark.parametrize(
    ("fault", "seconds", "milliseconds"),
    [
        ("rate_limited", "1", "120"),
        ("rate_limited_tokens", "1", "644"),
        ("rate_limited_day", "432", "432000"),
        ("rate_limited_bare", "20", "20000"),  # only the message said it
        ("overloaded", "1", "1000"),
        ("request_too_large", None, None),
        ("out_of_quota", None, None),
    ],
)
async def test_the_stated_wait_is_passed_on(
    gateway: Gateway, fault: str, seconds: str | None, milliseconds: str | None
) -> None:
    answer = await gateway.chat(x_simulate_fault=fault, x_tidegate_deadline="0")
    assert (answer.headers.get("retry-after"), answer.headers.get("retry-after-ms")) == (seconds, milliseconds)


@pytest.mark.parametrize("path", PATHS)
async def test_an_answer_without_usage_is_estimated_and_good(gateway: Gateway, world: World, path: str) -> None:
    for streamed in (False, True):
        body: Json = {**PATHS[path], "stream": streamed}
        answer = await gateway.call(path, body, x_simulate_fault="missing_usage", cache_control="no-store")
        assert answer.status == 200
        assert "error" not in answer.text or path == "/responses"
    for line in await world.ledger_entries(2):
        assert (line["outcome"], line["estimated"]) == ("ok", True)
        assert line["input_tokens"] > 0
        assert line["output_tokens"] > 0
        assert line["cost_nanos"] > 0


async def test_the_upstreams_key_is_not_blamed_on_the_caller(gateway: Gateway) -> None:
    answer = await gateway.chat(x_simulate_fault="invalid_key")
    assert "this gateway's own credential, not yours" in answer.error["message"]
    assert "sk-simul" not in answer.text


async def test_without_an_upstream_key_the_operator_is_told(world: World) -> None:
    async with world.gateway(upstream={"api_key": None}) as gateway:
        assert_error(await gateway.chat(), 503, "no_upstream_key", "no_upstream_key", retried=False)
    assert await world.calls() == 0
