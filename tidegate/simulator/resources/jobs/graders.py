"""Graders on their own: `/v1/fine_tuning/alpha/graders`."""

from collections import Counter

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.resources.calls import LineAnswer, ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.jobs.grading import Grading, check_grader, grade
from tidegate.simulator.resources.organization import OwedCharge

_CHATS = "/v1/chat/completions"
_ERRORS = (
    "formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error",
    "invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_runtime_error",
    "model_grader_server_error", "model_grader_refusal_error", "model_grader_parse_error",
)  # fmt: skip
_DETAILS = (
    "python_grader_server_error_type",
    "python_grader_runtime_error_details",
    "model_grader_server_error_details",
)


def asked(call: ResourceCall, body: Json) -> LineAnswer:
    """Return a model's answer to a chat; it is owed at its full price."""
    found = call.answer_line(_CHATS, body, call.digits, call.now)
    if found.status == 200:
        usage = msgspec.structs.replace(found.usage, tier="default")
        call.organization.owed.append(OwedCharge(route="graders.model", model=found.model, usage=usage))
    return found


def _run(call: ResourceCall) -> ResourceAnswer:
    fields = call.json()
    if fields.get("model_sample") is None:
        raise refusals.missing("model_sample")
    check_grader(fields.get("grader"))
    grader = fields["grader"]
    values = {"item": fields.get("item") or {}, "sample": {"output_text": fields["model_sample"]}}
    found = grade(grader, Grading(values=values, ask=lambda body: asked(call, body)))
    tokens: Counter[str] = Counter()
    for one in found.answers:
        tokens[one.model] += one.usage.input + one.usage.output
    errors = {**dict.fromkeys(_ERRORS, False), **dict.fromkeys(_DETAILS)}
    errors.update(formula_parse_error=found.formula_failed, python_grader_server_error=found.not_run)
    if found.not_run:
        errors["python_grader_server_error_type"] = "The simulator does not run programs."
    metadata = {
        "name": grader["name"], "type": grader["type"], "errors": errors, "execution_time": 0.01,
        "scores": dict(found.parts) or {grader["name"]: found.score}, "token_usage": sum(tokens.values()) or None,
        "sampled_model_name": grader.get("model"),
    }  # fmt: skip
    return answer({
        "reward": found.score, "metadata": metadata, "sub_rewards": dict(found.parts),
        "model_grader_token_usage_per_model": dict(tokens),
    })  # fmt: skip


def _validate(call: ResourceCall) -> ResourceAnswer:
    grader = call.json().get("grader")
    check_grader(grader)
    return answer({"grader": grader})


ROUTES = tuple(
    ResourceRoute(
        label=f"fine_tuning.alpha.graders.{name}", method="POST", path=f"/fine_tuning/alpha/graders/{name}",
        handler=handler,
    )
    for name, handler in (("run", _run), ("validate", _validate))
)  # fmt: skip
