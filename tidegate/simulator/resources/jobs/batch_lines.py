"""The lines of a batch's input file. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.simulator.answers.reply import Json

MOST_LINES = 50_000
_MOST_ERRORS = 100


class BatchLine(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a batch."""

    custom_id: str
    url: str
    body: Json


class BatchInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says: its lines, or what is wrong with them."""

    lines: tuple[BatchLine, ...] = ()
    errors: tuple[Json, ...] = ()


def read_lines(content: bytes | memoryview, endpoint: str) -> BatchInput:
    """Return the requests of a file for `endpoint`, or all errors of its lines, as a failed batch states them."""
    lines: list[BatchLine] = []
    errors: list[Json] = []
    seen: set[str] = set()
    texts = [line for line in bytes(content).split(b"\n") if line.strip()]
    if not texts:
        return BatchInput(errors=(_error("empty_file", "The input file is empty.", None),))
    if len(texts) > MOST_LINES:
        message = f"The batch has {len(texts)} requests, but at most {MOST_LINES} are allowed."
        return BatchInput(errors=(_error("too_many_tasks", message, None),))
    models: set[Any] = set()
    for number, text in enumerate(texts, start=1):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = None
        found = _wrong(value, number, endpoint, seen)
        if found is not None:
            errors.append(found)
            continue
        lines.append(BatchLine(custom_id=value["custom_id"], url=value["url"], body=value["body"]))
        models.add(value["body"].get("model"))
        if len(models) > 1:
            message = "The provided model is not the model of the other requests. A batch has one model."
            errors.append(_error("mismatched_model", message, number, "body.model"))
            break
    return BatchInput(lines=tuple(lines), errors=tuple(errors[:_MOST_ERRORS]))


def _wrong(value: Any, number: int, endpoint: str, seen: set[str]) -> Json | None:
    """Return what is wrong with a line, if anything."""
    if not isinstance(value, Mapping):
        return _error("invalid_json_line", "This line is not parseable as valid JSON.", number)
    for name in ("custom_id", "method", "url", "body"):
        if name not in value:
            return _error("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    custom_id = value["custom_id"]
    if not isinstance(custom_id, str) or not isinstance(value["body"], dict):
        return _error("invalid_request", "The request is not as it should be.", number)
    if custom_id in seen:
        message = f"The custom_id '{custom_id}' for this request is a duplicate of another request."
        return _error("duplicate_custom_id", message, number, "custom_id")
    seen.add(custom_id)
    return _wrong_target(value, number, endpoint)


def _wrong_target(value: Mapping[str, Any], number: int, endpoint: str) -> Json | None:
    if value["method"] != "POST":
        return _error("invalid_method", f"Invalid value: '{value['method']}'. It must be 'POST'.", number, "method")
    if value["url"] != endpoint:
        message = "The URL provided for this request does not match the batch endpoint."
        return _error("invalid_url", message, number, "url")
    return None


def _error(code: str, message: str, line: int | None, param: str | None = None) -> Json:
    return {"code": code, "message": message, "param": param, "line": line}
