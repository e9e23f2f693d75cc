"""Azure's form of the API: its error messages, its headers, and the content filter's results."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.refusal import HtmlPageRefusal, Refusal

_CATEGORIES = ("hate", "self_harm", "sexual", "violence")
_SAFE: Json = {name: {"filtered": False, "severity": "safe"} for name in _CATEGORIES}
_ACCESS_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
_NO_DEPLOYMENT = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
    "please wait a moment and try again."
)
_CONTENT = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry. To learn more about our content filtering policies please read our documentation."
)


_BACKEND = "Backend returned unexpected response. Please contact Microsoft for help."


class AzureRefusal(Refusal):
    """An error in one of Azure's forms."""

    def __init__(self, status: int, error: Json, headers: Mapping[str, str] | None = None) -> None:
        """`error` is the inner object of the envelope, which has no fixed fields."""
        super().__init__(status, str(error["message"]), headers=headers)
        self.error = error


def to_azure(refused: Refusal) -> Refusal:
    """Return OpenAI's refusal as Azure words it; errors of the model itself (a bad parameter) are the same in both."""
    if isinstance(refused, HtmlPageRefusal | AzureRefusal):
        return refused
    in_azures_words = _BY_CODE.get(refused.error["code"]) or _BY_STATUS.get(refused.status)
    return in_azures_words(refused) if in_azures_words else refused


def deployment_not_found() -> Refusal:
    """Return the refusal for a deployment that does not exist."""
    return AzureRefusal(404, {"code": "DeploymentNotFound", "message": _NO_DEPLOYMENT})


def _error(status: int, code: str, message: str) -> Callable[[Refusal], Refusal]:
    return lambda refused: AzureRefusal(status, {"code": code, "message": message}, refused.headers)


def _limited(refused: Refusal) -> Refusal:
    """Return a refusal with the status repeated as code, and whole seconds in the message."""
    if "Request too large" in str(refused):
        return refused
    stated = refused.headers.get("retry-after-ms")
    seconds = 9 if stated is None else max(1, math.ceil(int(stated) / 1000))
    message = (
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded "
        f"call rate limit of your current OpenAI S0 pricing tier. Please retry after {seconds} seconds. Please go "
        "here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."
    )
    headers = {} if stated is None else {"retry-after": str(seconds), "retry-after-ms": str(seconds * 1000)}
    return AzureRefusal(429, {"code": "429", "message": message}, headers)


def _filtered(refused: Refusal) -> Refusal:
    result = {**_SAFE, "violence": {"filtered": True, "severity": "medium"}}
    error: Json = {
        "message": _CONTENT,
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result},
    }
    return AzureRefusal(400, error, refused.headers)


_BY_CODE: dict[Any, Callable[[Refusal], Refusal]] = {
    "unknown_url": _error(404, "404", "Resource not found"),
    "model_not_found": _error(404, "DeploymentNotFound", _NO_DEPLOYMENT),
    "insufficient_quota": _error(403, "403", "Out of call volume quota. Quota will be replenished in 06:12:45."),
    "content_policy_violation": _filtered,
    "rate_limit_exceeded": _limited,
}
_BY_STATUS: dict[int, Callable[[Refusal], Refusal]] = {
    401: _error(401, "401", _ACCESS_DENIED),
    403: _error(403, "403", "Access denied due to Virtual Network/Firewall rules."),
    500: _error(500, "InternalServerError", _BACKEND),
    503: _error(503, "ServiceUnavailable", "The service is temporarily unable to process your request."),
}


def headers_of(headers: Mapping[str, str], request_id: str) -> dict[str, str]:
    """Return an answer's headers: the remaining calls are stated, limits and resets are unknown (`-1`, `0`)."""
    azure_headers = {name: value for name, value in headers.items() if not name.startswith(("openai-", "x-ratelimit-"))}
    for kind in ("requests", "tokens"):
        remaining = headers.get(f"x-ratelimit-remaining-{kind}")
        if remaining is not None:
            azure_headers[f"x-ratelimit-remaining-{kind}"] = remaining
            azure_headers[f"x-ratelimit-limit-{kind}"] = "-1"
            azure_headers[f"x-ratelimit-reset-{kind}"] = "0"
    return {**azure_headers, "apim-request-id": request_id, "x-ms-region": "East Simulated"}


def with_filter(body: Json) -> Json:
    """Return a chat completion with the content filter's results."""
    choices = [{**choice, "content_filter_results": _SAFE} for choice in body["choices"]]
    return {**body, "choices": choices, "prompt_filter_results": [_PROMPT]}


def events_with_filter(events: list[Json]) -> list[Json]:
    """Return a chat stream with the filter's results, the prompt's on a first chunk of its own."""
    first: Json = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [_PROMPT]}
    return [first, *(_checked(event) for event in events)]


def _checked(event: Json) -> Json:
    return {**event, "choices": [{**choice, "content_filter_results": {}} for choice in event["choices"]]}


_PROMPT: Json = {"prompt_index": 0, "content_filter_results": _SAFE}
