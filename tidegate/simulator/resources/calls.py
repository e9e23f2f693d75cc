"""One call of an operation, and its answer: plain values that handlers read and return."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.exchange import json_object
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources.multipart import MultipartBody, Part, parse
from tidegate.simulator.resources.organization import Organization

MEGABYTE = 1024 * 1024
_OTHER_TYPE = (
    "Unsupported Media Type. Expected Content-Type 'multipart/form-data' or 'application/json', got '{found}'."
)


class LineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one line of a batch."""

    status: int
    body: Json
    model: str = ""
    usage: TokenUsage = TokenUsage()


class ResourceCall(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a handler may read."""

    organization: Organization
    parameters: Mapping[str, str]
    """The parts of the path that stand for ids."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    digits: str
    """The random part of new ids."""
    now: float
    """Unix seconds."""
    job_seconds: float = 0.0
    """The time that a job takes from its creation to its end."""
    answer_line: Callable[[str, Json, str, float], LineAnswer]
    """Answers a batch's line: its URL, its body, digits for its ids, and the time."""

    def make_id(self, prefix: str, number: int = 0) -> str:
        """Return an id; `number` distinguishes several with one prefix."""
        return f"{prefix}{self.digits}{number or ''}"

    @property
    def is_form(self) -> bool:
        """Whether the body is multipart."""
        return self.headers.get("content-type", "").lower().startswith("multipart/form-data")

    def json(self) -> Json:
        """Return the body's object; an empty body is an empty object. Raises Refusal."""
        return json_object(self.raw) if self.raw else {}

    def form(self) -> MultipartBody:
        """Return the multipart body. Raises Refusal."""
        if not self.is_form:
            found = self.headers.get("content-type", "")
            raise Refusal(415, _OTHER_TYPE.format(found=found), code="unsupported_content_type")
        return parse(self.raw, self.headers["content-type"])

    def fields(self) -> Json:
        """Return the fields of a body that may be multipart or JSON. Raises Refusal."""
        return self.form().values() if self.is_form else self.json()

    def files(self, name: str) -> list[Part]:
        """Return the files of one field of a multipart body. Raises Refusal."""
        return self.form().files(name) if self.is_form else []


class ResourceCharge(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer costs."""

    model: str
    usage: TokenUsage


class ResourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: JSON, bytes, or events."""

    body: Json | None = None
    content: bytes | memoryview | None = None
    content_type: str = "application/json"
    events: tuple[Json, ...] | None = None
    named_events: bool = False
    """Whether each event names its type on an `event:` line."""
    headers: Mapping[str, str] = {}
    charge: ResourceCharge | None = None
    """None for an answer that is free."""


Handler = Callable[[ResourceCall], ResourceAnswer]


class ResourceRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One method and path, and what answers it."""

    label: str
    """The official SDK's name for it, such as `files.create`."""
    method: str
    path: str
    """Below `/v1`; `{name}` stands for one part of it."""
    handler: Handler
    most_bytes: int = 32 * MEGABYTE
    """Bytes that a request's body may have."""


def answer(body: Any, **more: Any) -> ResourceAnswer:
    """Return a JSON answer."""
    return ResourceAnswer(body=body, **more)


def object_not_found(kind: str, object_id: str) -> Refusal:
    """Return the refusal of an id that names nothing: most of OpenAI's resources use these words."""
    return Refusal(404, f"{kind} with id '{object_id}' not found.")


def whole_number(value: Any, at: str) -> int:
    """Return a number that may be text, as forms and queries have it. Raises Refusal."""
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise invalid(f"Invalid type for '{at}': expected an integer, but got a string instead.", param=at,
                      code="invalid_type") from error  # fmt: skip
