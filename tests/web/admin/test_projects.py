"""Projects are listed in pages and changed over the admin API; changes contain only the given fields."""

from tests.web.api_client import NO_LIMITS, ApiClient
from tidegate.auth.grants import LimitsChange, ProjectChange
from tidegate.core.values import Priority
from tidegate.web.admin.projects import ProjectUpdateRequest


async def test_a_project_is_changed_and_listed(api_client: ApiClient) -> None:
    await api_client.create_key(project="shop/north")
    changes = {"limits": {"tpm": 5}, "user_limits": {"budget_day_usd": "0.10", "concurrency": 1}, "priority": "low"}
    changed = await api_client.send("PATCH", "/projects/shop%2Fnorth", changes)
    assert changed.json["user_limits"] == NO_LIMITS | {"budget_day_usd": "0.10", "concurrency": 1}
    (warning,) = changed.json["warnings"]
    assert warning.startswith("The budget of $0.10 per day cannot pay one short question to ")
    assert await api_client.get("/projects/shop/north") == changed.json | {"warnings": []}
    page = await api_client.get("/projects?limit=1")
    assert ([project["name"] for project in page["data"]], page["has_more"]) == (["operators"], True)
    page = await api_client.get("/projects?limit=1&after=operators")
    assert ([project["name"] for project in page["data"]], page["has_more"]) == (["shop/north"], False)


def test_a_change_contains_only_the_given_fields() -> None:
    assert ProjectUpdateRequest.model_validate({}).to_change() == ProjectChange()
    fields = {"user_limits": {"rpd": 5}, "priority": "normal"}
    expected = ProjectChange(user_limits=LimitsChange(rpd=5), priority=Priority.NORMAL)
    assert ProjectUpdateRequest.model_validate(fields).to_change() == expected
