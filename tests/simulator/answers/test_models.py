"""Models are listed, found one by one, deleted where allowed, and validate strictly."""

import msgspec
import pytest
from openai.types import Model, ModelDeleted

from tidegate.simulator.answers.models import deleted, every_model, one_model
from tidegate.simulator.refusal import Refusal


def test_every_listed_model_is_found_and_validates_strictly() -> None:
    for model in every_model()["data"]:
        assert one_model(model["id"]) == model
        Model.model_validate_json(msgspec.json.encode(model), strict=True)


def test_a_model_that_is_not_listed_is_not_found() -> None:
    with pytest.raises(Refusal, match="does not exist") as no:
        one_model("gpt-0")
    assert (no.value.status, no.value.error["code"]) == (404, "model_not_found")


def test_only_a_model_made_by_fine_tuning_can_be_deleted() -> None:
    ModelDeleted.model_validate(deleted("ft:gpt-4o-mini:shop::abc"), strict=True)
    for name, status in (("gpt-4o", 403), ("gpt-0", 404)):
        with pytest.raises(Refusal) as no:
            deleted(name)
        assert no.value.status == status
