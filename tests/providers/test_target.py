"""A target is named by its provider and its model."""

from tidegate.providers.target import Target


def test_a_target_has_a_name() -> None:
    assert Target("openai", "gpt-4o").name == "openai/gpt-4o"
    assert Target("azure", "four-o").name == "azure/four-o"
