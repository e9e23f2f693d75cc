"""A key is rotated over the admin API: undone, finished, refused with the reason, and found by a pasted secret."""

import pytest

from tests.web.api_client import ApiClient
from tidegate.auth import key_format
from tidegate.web.admin.keys import KeyMatchView


async def test_a_rotation_shows_the_new_secret_once_and_the_end_of_the_old_one(api_client: ApiClient) -> None:
    made = await api_client.create_key(name="web", limits={"rpm": 60})
    rotated = await api_client.send("POST", f"/keys/{made['id']}/rotate", {"overlap_seconds": 3600})
    assert rotated.status == 200
    new = rotated.json
    assert key_format.parse(new["key"])
    assert new["key"] != made["key"]
    assert (new["id"], new["limits"]) == (made["id"], made["limits"])
    assert new["replaced"]["state"] == "valid"
    assert new["replaced"]["hint"] == made["hint"]

    shown = await api_client.get(f"/keys/{made['id']}")
    assert made["key"] not in str(shown)
    assert new["key"] not in str(shown)
    refused = await api_client.send("POST", f"/keys/{made['id']}/rotate", {"overlap_seconds": 60})
    assert (refused.status, refused.json["error"]["code"]) == (409, "rotation_refused")
    assert "in progress" in refused.json["error"]["message"]


@pytest.mark.parametrize(("step", "hint_of"), [("undo", "made"), ("finish", "new")])
async def test_a_rotation_is_undone_or_finished_once(api_client: ApiClient, step: str, hint_of: str) -> None:
    made = await api_client.create_key()
    new = (await api_client.send("POST", f"/keys/{made['id']}/rotate", {"overlap_seconds": 3600})).json
    ended = await api_client.send("POST", f"/keys/{made['id']}/rotate/{step}")
    assert (ended.status, ended.json["replaced"]["state"]) == (200, "stopped")
    assert ended.json["hint"] == {"made": made, "new": new}[hint_of]["hint"]
    again = await api_client.send("POST", f"/keys/{made['id']}/rotate/{step}")
    assert (again.status, again.json["error"]["code"]) == (409, "rotation_refused")


@pytest.mark.parametrize(
    "dressed", ["{}", " {}\n", "Bearer {}", "Authorization: Bearer {}", "export KEY='{}'", '"{}",']
)
async def test_a_pasted_secret_finds_its_key(api_client: ApiClient, dressed: str) -> None:
    made = await api_client.create_key(name="web")
    found = await api_client.send("POST", "/keys/find", {"key": dressed.format(made["key"])})
    assert (found.status, found.json["id"], found.json["secret"]) == (200, made["id"], "present")
    assert made["key"] not in found.text


async def test_a_replaced_secret_is_found_too(api_client: ApiClient) -> None:
    made = await api_client.create_key()
    await api_client.send("POST", f"/keys/{made['id']}/rotate", {"overlap_seconds": 3600})
    found = await api_client.send("POST", "/keys/find", {"key": made["key"]})
    assert (found.json["id"], found.json["secret"]) == (made["id"], "replaced")
    await api_client.send("POST", f"/keys/{made['id']}/rotate/finish")
    found = await api_client.send("POST", "/keys/find", {"key": made["key"]})
    assert KeyMatchView.model_validate(found.json).secret == "stopped"


@pytest.mark.parametrize(
    "body", [{"key": key_format.generate(b"\x07".__mul__)}, {"key": ["sk-tg-x"]}, {"kee": "sk-tg-x"}]
)
async def test_an_unknown_secret_is_not_repeated(api_client: ApiClient, body: dict[str, object]) -> None:
    refused = await api_client.send("POST", "/keys/find", body)
    assert refused.status in {400, 404}
    assert "sk-tg-" not in refused.text


@pytest.mark.parametrize("body", [{}, {"overlap_seconds": -1}, {"overlap_seconds": 1e12}, {"overlap": 5}])
async def test_an_overlap_is_required_and_bounded(api_client: ApiClient, body: dict[str, float]) -> None:
    made = await api_client.create_key()
    refused = await api_client.send("POST", f"/keys/{made['id']}/rotate", body)
    assert (refused.status, "overlap" in refused.text) == (400, True)
    assert (await api_client.get(f"/keys/{made['id']}"))["replaced"] is None


async def test_a_key_that_does_not_exist_is_404(api_client: ApiClient) -> None:
    for path in ("rotate/undo", "rotate/finish"):
        assert (await api_client.send("POST", f"/keys/key_none/{path}")).status == 404
