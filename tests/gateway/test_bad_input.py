"""Any malformed input is answered with OpenAI's envelope and the right status."""

import asyncio
import gzip
import time
import zlib
from typing import Any

import msgspec
import pytest

from tests.harness import CHAT, EMBEDDINGS, RESPONSES, Answer, Gateway, Json, World, ask
from tidegate.auth.key_store import STALE_SECONDS
from tidegate.wire import zstd

CHAT_PATH = "/chat/completions"
SMALL = {"server": {"max_body_bytes": 2048}, "models": {"allowed": ["gpt-4o-mini"]}}
HUGE = ask("tide " * 2000)


def assert_envelope(answer: Answer, status: int, code: str | None) -> None:
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert sorted(answer.error) == ["code", "message", "param", "type"]
    assert answer.error["code"] == code
    assert answer.error["message"]
    assert "Traceback" not in answer.text
    assert "<" not in answer.error["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"  \n", 400, "empty_body"),
        (b"not json", 400, "body_not_json"),
        (b'{"model": "gpt-4o-mini"', 400, "body_not_json"),
        (b"\xff\xfe", 400, "body_not_json"),
        (b"[" * 900, 400, "body_not_json"),
        (b"[1]", 400, "body_not_an_object"),
        (b'"text"', 400, "body_not_an_object"),
        (b"null", 400, "body_not_an_object"),
        (b"{}", 400, "missing_required_parameter"),
        (b'{"model": 7}', 400, "invalid_type"),
        (b'{"model": "gpt-4o-mini\\r\\nx-more: 1"}', 400, "invalid_value"),
        (b'{"model": "gpt-4o-mini", "stream": "yes"}', 400, "invalid_type"),
        (b'{"model": "gpt-9"}', 404, "model_not_found"),
        (HUGE, 413, "body_too_large"),
    ],
)
@pytest.mark.parametrize("path", [CHAT_PATH, "/responses", "/embeddings"])
async def test_a_body_that_cannot_be_used(world: World, path: str, body: Any, status: int, code: str | None) -> None:
    async with world.gateway(**SMALL) as gateway:
        assert_envelope(await gateway.call(path, body, content_type="application/json"), status, code)
        assert (await gateway.chat()).status == 200
    assert (await world.stats())["calls"] == {"chat": 1}


@pytest.mark.parametrize("path", [CHAT_PATH, "/responses", "/embeddings"])
async def test_no_depth_of_nesting_is_a_failure_of_ours(world: World, path: str) -> None:
    """A body that can just be parsed must not produce a document too deep to encode."""
    asked = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"input":"x","new":%s}'
    async with world.gateway() as gateway:
        for depth in range(880, 1000, 2):
            answer = await gateway.call(path, (asked % ("[" * depth + "]" * depth)).encode())
            assert answer.status in (200, 400), answer.text


async def test_a_body_that_grows_too_large_on_the_way(world: World) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1000

    async with world.gateway(**SMALL) as gateway:
        key = {"authorization": f"Bearer {gateway.key}"}
        url = gateway.base_url + CHAT_PATH
        async with gateway.http.post(url, data=endless(), headers=key) as response:
            answer = Answer(response.status, response.headers, await response.text())
    assert_envelope(answer, 413, "body_too_large")


async def test_a_body_that_never_ends(world: World) -> None:
    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(3600)

    async with world.gateway(server={"body_seconds": 0.3}) as gateway:
        key = {"authorization": f"Bearer {gateway.key}"}
        async with gateway.http.post(gateway.base_url + CHAT_PATH, data=slow(), headers=key) as response:
            answer = Answer(response.status, response.headers, await response.text())
    assert_envelope(answer, 408, "body_timeout")


async def test_a_compressed_body(gateway: Gateway) -> None:
    answer = await gateway.call(CHAT_PATH, b"\x1f\x8b", content_encoding="gzip")
    assert_envelope(answer, 400, "invalid_compression")
    answer = await gateway.call(CHAT_PATH, b"{}", content_encoding="br")
    assert_envelope(answer, 415, "unsupported_compression")
    assert answer.headers["accept-encoding"] == "gzip, deflate, zstd"


@pytest.mark.parametrize(
    ("path", "document"), [(CHAT_PATH, CHAT), ("/responses", RESPONSES), ("/embeddings", EMBEDDINGS)]
)
async def test_a_compressed_body_is_as_good_as_a_plain_one(world: World, path: str, document: Json) -> None:
    body = msgspec.json.encode(document)
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "zstd": zstd.compress(body)}
    async with world.gateway(**{**SMALL, "models": {}}) as gateway:
        for name, data in packed.items():
            answer = await gateway.call(path, data, content_encoding=name, content_type="application/json")
            assert answer.status == 200, (name, answer.text)
        bomb = gzip.compress(b" " * 100_000)
        assert len(bomb) < 2048
        assert_envelope(await gateway.call(path, bomb, content_encoding="gzip"), 413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PUT", CHAT_PATH, 405, "method_not_allowed"),
        ("DELETE", "/responses", 405, "method_not_allowed"),
        ("POST", "/models", 405, "method_not_allowed"),
        ("POST", "/audio/unheard-of", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/chat/completions/", 404, "unknown_url"),
        ("GET", "/../../etc/passwd", 404, "unknown_url"),
        ("GET", "/models/no-such-model", 404, "model_not_found"),
    ],
)
async def test_a_route_or_method_that_is_not_there(
    gateway: Gateway, method: str, path: str, status: int, code: str
) -> None:
    answer = await gateway.call(path, method=method)
    assert_envelope(answer, status, code)
    assert answer.headers["x-should-retry"] == "false"
    assert ("allow" in answer.headers) is (status == 405), "RFC 9110, 15.5.6"
    assert method not in answer.headers.get("allow", "").split(", ")


@pytest.mark.parametrize("path", ["/", "/nothing"])
async def test_outside_of_v1_the_envelope_is_the_same(gateway: Gateway, path: str) -> None:
    async with gateway.http.get(gateway.root + path) as response:
        assert_envelope(Answer(response.status, response.headers, await response.text()), 404, "unknown_url")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "missing_api_key"),
        ("Bearer", "missing_api_key"),
        ("Basic dXNlcjpwYXNz", "missing_api_key"),
        ("Bearer sk-somebody-elses", "invalid_api_key"),
        ("Bearer sk-tg-" + "0" * 49, "invalid_api_key"),
        ("Bearer \u00fc\u00fc", "invalid_api_key"),
    ],
)
@pytest.mark.parametrize("path", [CHAT_PATH, "/models"])
async def test_a_key_that_is_none(gateway: Gateway, world: World, path: str, authorization: str, code: str) -> None:
    body = CHAT if path == CHAT_PATH else None
    answer = await gateway.call(path, body, authorization=authorization)
    assert_envelope(answer, 401, code)
    assert answer.headers["x-should-retry"] == "false"
    assert (await world.stats())["calls"] == {}


async def test_a_key_of_one_mistyped_character_is_not_repeated_in_the_answer(gateway: Gateway) -> None:
    wrong = gateway.key[:-1] + ("a" if gateway.key[-1] != "a" else "b")
    answer = await gateway.chat(authorization=f"Bearer {wrong}")
    assert_envelope(answer, 401, "invalid_api_key")
    assert wrong[6:20] not in answer.text


async def test_a_key_that_expired_and_one_that_was_revoked_say_so(world: World) -> None:
    expired = (await world.make_key(expires_at=time.time() - 1)).token
    revoked = await world.make_key()
    await world.keys.revoke(revoked.record.id)
    async with world.gateway() as gateway:
        assert_envelope(await gateway.chat(authorization=f"Bearer {expired}"), 401, "expired_api_key")
        assert_envelope(await gateway.chat(authorization=f"Bearer {revoked.token}"), 401, "revoked_api_key")


async def test_a_revocation_is_seen_by_every_replica_long_before_it_would_look_by_itself(world: World) -> None:
    key = await world.make_key()
    async with world.gateway() as one, world.gateway() as other:
        for replica in (one, other):
            assert (await replica.chat(authorization=f"Bearer {key.token}")).status == 200
        await world.keys.revoke(key.record.id)
        async with asyncio.timeout(STALE_SECONDS / 3):  # a second on an idle machine
            for replica in (one, other):
                while (await replica.chat(authorization=f"Bearer {key.token}")).status == 200:
                    pass
        assert_envelope(await other.chat(authorization=f"Bearer {key.token}"), 401, "revoked_api_key")


async def test_a_model_list_narrows_what_is_listed(world: World) -> None:
    async with world.gateway(models={"allowed": ["gpt-4o-mini"]}) as gateway:
        assert [model["id"] for model in (await gateway.call("/models")).json["data"]] == ["gpt-4o-mini"]
        assert (await gateway.call("/models/gpt-4o-mini")).status == 200
        assert_envelope(await gateway.call("/models/gpt-4o"), 404, "model_not_found")
