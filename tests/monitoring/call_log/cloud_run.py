"""Checks lines as Cloud Logging reads them: the special fields of structured logs, by the reference of LogEntry."""

import re
from typing import Any

SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}
_REQUEST: dict[str, Any] = {
    "requestMethod": str, "requestUrl": str, "requestSize": str, "status": int, "responseSize": str, "userAgent": str,
    "remoteIp": str, "serverIp": str, "referer": str, "latency": str, "cacheLookup": bool, "cacheHit": bool,
    "cacheValidatedWithOriginServer": bool, "cacheFillBytes": str, "protocol": str,
}  # fmt: skip
_PREFIX = "logging.googleapis.com/"
_SPECIAL = {"insertId", "labels", "operation", "sourceLocation", "spanId", "trace", "trace_sampled"}


def complaints(document: dict[str, Any]) -> list[str]:
    """Return what Cloud Logging would not take for what it is meant to be."""
    found = []
    if document.get("severity") not in SEVERITIES:
        found.append(f"severity is {document.get('severity')!r}")
    if not isinstance(document.get("message"), str):
        found.append("message is no text")
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", str(document.get("time"))):
        found.append(f"time is {document.get('time')!r}")
    request = document.get("httpRequest", {})
    for name, value in request.items():
        if name not in _REQUEST or type(value) is not _REQUEST[name]:
            found.append(f"httpRequest.{name} is {value!r}")
    if not re.fullmatch(r"\d+(\.\d{1,9})?s", request.get("latency", "0s")):
        found.append(f"httpRequest.latency is {request['latency']!r}")
    found += [
        f"{name} is no special field"
        for name in document
        if name.startswith(_PREFIX) and name[len(_PREFIX) :] not in _SPECIAL
    ]
    trace = document.get(f"{_PREFIX}trace")
    if trace is not None and not re.fullmatch(r"projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/traces/[0-9a-f]{32}", trace):
        found.append(f"trace is {trace!r}")
    return found
