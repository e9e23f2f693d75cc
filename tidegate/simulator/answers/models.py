"""GET /v1/models, GET and DELETE /v1/models/{id}."""

from collections.abc import Sequence

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.refusal import Refusal

_CREATED = {
    "gpt-6-astra": 1_793_664_000,
    "gpt-6-sol": 1_793_664_000,
    "gpt-6-luna": 1_793_664_000,
    "gpt-4o": 1_715_367_049,
    "gpt-4o-mini": 1_721_172_741,
    "gpt-4o-audio-preview": 1_727_460_443,
    "gpt-4.1": 1_744_316_542,
    "gpt-4.1-mini": 1_744_318_173,
    "gpt-4.1-nano": 1_744_321_025,
    "gpt-5": 1_754_425_777,
    "gpt-5-mini": 1_754_425_928,
    "gpt-5-nano": 1_754_426_384,
    "o3": 1_744_225_308,
    "o4-mini": 1_744_225_351,
    "text-embedding-3-small": 1_705_948_997,
    "text-embedding-3-large": 1_705_953_180,
    "omni-moderation-latest": 1_731_689_265,
}
"""The models that are listed, with their creation in Unix seconds. A request may name any other model, too."""


def every_model(tuned: Sequence[Json] = ()) -> Json:
    """Return the list, with the organisation's fine-tuned models."""
    return {"object": "list", "data": [*(one_model(name) for name in _CREATED), *tuned]}


def one_model(name: str, tuned: Sequence[Json] = ()) -> Json:
    """Return one model. Raises Refusal for one that is not listed."""
    for model in tuned:
        if model["id"] == name:
            return model
    if name not in _CREATED:
        raise Refusal(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
    return {"id": name, "object": "model", "created": _CREATED[name], "owned_by": "system"}


def deleted(name: str) -> Json:
    """Return the answer to deleting a model. Raises Refusal unless its name is that of a fine-tuned model."""
    if not name.startswith("ft:"):
        one_model(name)
        raise Refusal(403, "You have insufficient permissions for this operation.", code="insufficient_permissions")
    return {"id": name, "object": "model", "deleted": True}
