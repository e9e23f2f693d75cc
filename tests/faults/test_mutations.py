"""However an upstream's answer is mutated, the caller gets a complete answer or a typed error, and one ledger entry."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults import scripts, speech
from tests.faults.upstream import ReceivedRequest, Script, ScriptAction, ScriptedUpstream, running_upstream
from tests.harness import Answer, Gateway, World
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.storage.embedded import StoreUrls

Mutation = tuple[str, int, int, bytes]
"""The kind, the position (per mille of the answer), the number of bytes, and the new bytes."""

MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["replace", "delete", "repeat", "insert"]),
        st.integers(0, 1000),
        st.integers(1, 40),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\x00", b"\r\n", b"\n\n", b"data: ", b"null", b"[]"]),
    ),
    max_size=4,
)
CLOCKS = {"first_byte_seconds": 2.0, "idle_seconds": 2.0, "total_seconds": 4.0}
PATIENCE_SECONDS = 30.0


class NextScript:
    """The upstream's next script."""

    def __init__(self) -> None:
        self.play = scripts.good

    def __call__(self, request: ReceivedRequest) -> Script:
        return self.play(request)


@pytest.fixture(scope="module")
def next_script() -> NextScript:
    return NextScript()


@pytest.fixture(scope="module")
async def upstream(next_script: NextScript) -> AsyncIterator[ScriptedUpstream]:
    async with running_upstream(next_script) as upstream:
        yield upstream


@pytest.fixture(scope="module")
async def world(
    upstream: ScriptedUpstream,
    database_url: str,
    redis_url: str,
    redis_prefix: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    stores = StoreUrls(database_url=database_url, redis_url=redis_url)
    folder: Path = tmp_path_factory.mktemp("mutations")
    async with World(stores, f"{redis_prefix}-mutations", f"{upstream.root}/first/v1", folder) as world:
        yield world


@pytest.fixture(scope="module")
async def gateway(world: World) -> AsyncIterator[Gateway]:
    unbreakable = {"failure_threshold": 1_000_000, "min_calls": 1_000_000}
    sections: dict[str, Any] = {"breaker": unbreakable, "retries": {"max_retries": 0}, "cache": {"enabled": False}}
    async with world.gateway(upstream=CLOCKS, **sections) as gateway:
        yield gateway


def apply_mutations(data: bytes, mutations: list[Mutation]) -> bytes:
    """Return the bytes with all mutations applied."""
    for kind, where, many, what in mutations:
        at = where * len(data) // 1000
        part = data[at : at + many]
        middle = {"replace": what, "delete": b"", "repeat": part + part, "insert": what + part}[kind]
        data = data[:at] + middle + data[at + many :]
    return data


def assert_valid_answer(answer: Answer, route: Endpoint, *, stream: bool) -> None:
    """Check that the answer has its form, or is a typed error other than an internal one."""
    assert answer.headers.get("x-tidegate-error") != "internal_error", answer.text
    if answer.status != 200:
        assert answer.error["message"]
        return
    if not stream:
        msgspec.json.decode(answer.text)
        return
    last = "data: [DONE]" if route is endpoints.CHAT else "event: response."
    assert last in answer.text[-4000:] or '"error"' in answer.text[-4000:], answer.text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=MUTATIONS, route=st.sampled_from(list(speech.PATHS)), stream=st.booleans(), framing=st.booleans())
async def test_a_mutated_answer(
    gateway: Gateway, next_script: NextScript, mutations: list[Mutation], route: Endpoint, stream: bool, framing: bool
) -> None:
    stream = stream and route.streams

    def play(request: ReceivedRequest) -> Script:
        parts = scripts.parts(request)
        if framing:  # the framing of HTTP is mutated, too
            raw = b"".join([*(scripts.chunk(part) for part in parts), scripts.END])
            return scripts.continued([scripts.good_head(request), apply_mutations(raw, mutations)], ScriptAction.CLOSE)
        body = apply_mutations(b"".join(parts), mutations)
        return [scripts.good_head(request), scripts.chunk(body) if body else b"", scripts.END]

    next_script.play = play
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await gateway.call(speech.PATHS[route], speech.request(route, "mutant", stream=stream))
    assert_valid_answer(answer, route, stream=stream)


ODD = [1, -1, 1e300, 10**30, "", "x", "a\r\nb: c", "\x00", "\ud83d", None, True, [], {}, [None], [[]], [{}], {"a": {}}]
FIELDS = ["id", "object", "created", "model", "choices", "usage", "service_tier", "error", "status", "output", "data",
          "incomplete_details", "type", "response", "delta"]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    field=st.sampled_from(FIELDS),
    value=st.sampled_from(ODD),
    route=st.sampled_from(list(speech.PATHS)),
    stream=st.booleans(),
    number=st.integers(0, 5),
)
async def test_a_field_with_a_value_that_makes_no_sense(
    gateway: Gateway, next_script: NextScript, field: str, value: Any, route: Endpoint, stream: bool, number: int
) -> None:
    stream = stream and route.streams

    def odd(document: bytes) -> bytes:
        decoded = msgspec.json.decode(document)
        text = msgspec.json.encode({**decoded, field: value if value != "\ud83d" else ""})
        return text.replace(b'""', b'"\\ud83d"', 1) if value == "\ud83d" else text

    def play(request: ReceivedRequest) -> Script:
        parts = scripts.parts(request)
        if not request.stream:
            return scripts.whole(request, 200, odd(b"".join(parts)))
        struck = number % (len(parts) - 1)
        lines = parts[struck].split(b"data: ")
        parts[struck] = lines[0] + b"data: " + odd(lines[1].strip()) + b"\n\n"
        return [scripts.good_head(request), *(scripts.chunk(part) for part in parts), scripts.END]

    next_script.play = play
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await gateway.call(speech.PATHS[route], speech.request(route, "mutant", stream=stream))
    assert_valid_answer(answer, route, stream=stream)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([100, 101, 201, 202, 204, 205, 206, 300, 304, 400, 402, 405, 410, 418, 429, 451, 499, 500,
                            507, 520, 529, 599, 600, 999]),
    body=st.sampled_from([b"", b"{}", b"[]", b"null", b'{"error":null}', b'{"error":"x"}', b'{"error":{"code":7}}',
                          b'{"error":{"message":{"a":1},"type":[],"param":{}}}', b"\xff\xfe", b"<html>", b"oops"]),
    kind=st.sampled_from(["application/json", "text/html", "text/event-stream", "image/png", ""]),
    stream=st.booleans(),
)  # fmt: skip
async def test_an_odd_status_and_an_odd_body(
    gateway: Gateway, next_script: NextScript, status: int, body: bytes, kind: str, stream: bool
) -> None:
    next_script.play = lambda request: scripts.continued(
        scripts.whole(request, status, body, kind=kind), ScriptAction.CLOSE
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        body_sent = speech.request(endpoints.CHAT, "odd", stream=stream)
        answer = await gateway.call("/chat/completions", body_sent, x_tidegate_deadline="0")
    assert_valid_answer(answer, endpoints.CHAT, stream=stream)
    assert answer.status >= 400, (status, answer.text)


async def test_each_of_them_has_one_line(gateway: Gateway, world: World) -> None:
    assert gateway
    lines = await world.all_entries()
    mine = [line for line in lines if line["model"] in ("mutant", "odd")]
    assert len({line["id"] for line in mine}) == len(mine) > 100
    assert "internal_error" not in {line["outcome"] for line in mine}
