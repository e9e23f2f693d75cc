"""Every model is allowed unless a list says otherwise."""

from tidegate.core.config.sections.models import ModelsConfig


def test_every_model_is_allowed_by_default() -> None:
    assert ModelsConfig().allowed == []
    assert ModelsConfig.model_validate({"allowed": ["gpt-4o"]}).allowed == ["gpt-4o"]
