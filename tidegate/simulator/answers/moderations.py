"""POST /v1/moderations. A few words are flagged."""

from collections.abc import Mapping
from typing import Any

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.reply import AnswerIdentity, Json, SimulatedReply
from tidegate.simulator.refusal import invalid

_TEXT_ONLY = ("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent",
              "sexual/minors")  # fmt: skip
_IMAGES_TOO = ("self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic")
_FLAGGED_BY = {"violence": ("kill", "murder"), "hate": ("hate",), "harassment": ("stupid",), "self-harm": ("suicide",)}


def reply(body: Mapping[str, Any], identity: AnswerIdentity) -> SimulatedReply:
    """Return a verdict for each input; text and images given together are one input. Raises Refusal."""
    value = body.get("input")
    if not isinstance(value, str | list) or not value:
        raise invalid("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    model = body.get("model") or "omni-moderation-latest"
    answer = {"id": identity.make_id("modr-"), "model": model, "results": [_verdict(*one) for one in _inputs(value)]}
    return SimulatedReply(body=answer, input_tokens=sum(tokens_for(model).count(text) for text, _ in _inputs(value)))


def _inputs(value: str | list[Any]) -> list[tuple[str, bool]]:
    """Return each input's text, and whether it has an image."""
    if isinstance(value, str):
        return [(value, False)]
    if all(isinstance(one, str) for one in value):
        return [(one, False) for one in value]
    parts = [part for part in value if isinstance(part, dict)]
    text = " ".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    return [(text, any(part.get("type") == "image_url" for part in parts))]


def _verdict(text: str, image: bool) -> Json:  # noqa: FBT001  # one of two facts about an input
    words = text.lower()
    categories = {
        name: any(word in words for word in _FLAGGED_BY.get(name, ())) for name in (*_TEXT_ONLY, *_IMAGES_TOO)
    }
    categories_found = ["text", "image"] if image else ["text"]
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": {name: 0.98 if flagged else 0.0001 for name, flagged in categories.items()},
        "category_applied_input_types": {
            name: ["text"] if name in _TEXT_ONLY else categories_found for name in categories
        },
    }
