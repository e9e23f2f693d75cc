"""The upstream, as an operator meets it over HTTP."""

import pytest

from tests.web.office import ApiClient

CREDENTIAL = "/upstream/credentials/openai/default"


async def test_a_credential_is_shown_taken_out_and_taken_back(office: ApiClient) -> None:
    shown = await office.get("/upstream")
    well = {"since": None, "until": None, "error": None, "message": None}
    assert shown == {
        "object": "upstream",
        "targets": [{"name": "openai/m", "state": "closed", **well}],
        "credentials": [{"name": "openai/default", "state": "healthy", **well}],
    }
    taken_out = await office.send("POST", f"{CREDENTIAL}/suspend")
    assert (taken_out.status, taken_out.json["state"]) == (200, "suspended")
    (credential,) = (await office.get("/upstream"))["credentials"]
    assert (credential["state"], credential["since"][:4]) == ("suspended", "2026")
    taken_back = await office.send("POST", f"{CREDENTIAL}/resume")
    assert (taken_back.status, taken_back.json["state"]) == (200, "healthy")


@pytest.mark.parametrize("act", ["suspend", "resume"])
async def test_one_that_is_not_there_is_named(office: ApiClient, act: str) -> None:
    answer = await office.send("POST", f"/upstream/credentials/openai/other/{act}")
    assert (answer.status, answer.headers["x-tidegate-error"]) == (404, "credential_not_found")
    assert "openai/default" in answer.error["message"]
