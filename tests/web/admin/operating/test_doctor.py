"""The doctor's findings come over HTTP with the worst verdict."""

from tests.web.api_client import ApiClient


async def test_findings_are_given(api_client: ApiClient) -> None:
    found = await api_client.get("/doctor")
    assert found == {
        "object": "doctor",
        "verdict": "good",
        "findings": [{"check": "redis_speed", "verdict": "good", "text": "Redis answers in 0.2 ms.", "remedy": ""}],
    }
