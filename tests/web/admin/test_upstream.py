"""Targets and credentials are shown, and credentials suspended and resumed, over the admin API."""

import pytest

from tests.web.api_client import ApiClient

CREDENTIAL = "/upstream/credentials/openai/default"


async def test_a_credential_is_suspended_and_resumed(api_client: ApiClient) -> None:
    shown = await api_client.get("/upstream")
    healthy = {"since": None, "until": None, "error": None, "message": None}
    assert shown == {
        "object": "upstream",
        "targets": [{"name": "openai/m", "state": "closed", **healthy}],
        "credentials": [{"name": "openai/default", "state": "healthy", **healthy}],
    }
    suspended = await api_client.send("POST", f"{CREDENTIAL}/suspend")
    assert (suspended.status, suspended.json["state"]) == (200, "suspended")
    (credential,) = (await api_client.get("/upstream"))["credentials"]
    assert (credential["state"], credential["since"][:4]) == ("suspended", "2026")
    resumed = await api_client.send("POST", f"{CREDENTIAL}/resume")
    assert (resumed.status, resumed.json["state"]) == (200, "healthy")


@pytest.mark.parametrize("act", ["suspend", "resume"])
async def test_an_unknown_credential_is_named(api_client: ApiClient, act: str) -> None:
    answer = await api_client.send("POST", f"/upstream/credentials/openai/other/{act}")
    assert (answer.status, answer.headers["x-tidegate-error"]) == (404, "credential_not_found")
    assert "openai/default" in answer.error["message"]
