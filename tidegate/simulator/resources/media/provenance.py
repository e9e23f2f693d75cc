"""Checks of where a picture or a sound comes from: `/v1/content_provenance_checks`."""

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer

_PICTURE = b"\x89PNG"


def _check(call: ResourceCall) -> ResourceAnswer:
    files = call.form().files("file")
    if not files:
        raise refusals.missing("file")
    results: list[Json] = [{"type": "synthid", "outcome": "not_detected", "model": None, "generated_at": None}]
    if bytes(files[0].data[:4]) == _PICTURE:
        results.insert(0, {
            "type": "c2pa", "outcome": "not_detected", "issuer": None, "model": None, "generated_at": None,
            "validation_state": "not_present",
        })  # fmt: skip
    return answer({"object": "content_provenance_check", "created_at": int(call.now), "results": results})


ROUTES = (
    ResourceRoute(
        label="content_provenance_checks.create", method="POST", path="/content_provenance_checks", handler=_check
    ),
)
