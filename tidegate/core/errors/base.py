"""The root of all typed errors."""

import inspect
from typing import Any, ClassVar

import msgspec


class UpstreamErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """The error that the upstream itself reported, scrubbed of key material; for the log and the caller."""

    status: int
    type: str | None = None
    code: str | None = None
    param: str | None = None
    message: str = ""
    request_id: str | None = None
    extra: dict[str, Any] = {}
    """Its further fields, such as `innererror` or `metadata`; scrubbed, and small."""


class TidegateError(Exception):
    """An unexpected error inside Tidegate ended the request. If it happens again, look at the gateway's log."""

    name: ClassVar[str] = "internal_error"
    """Identifies the failure: in `x-tidegate-error`, the ledger, the metrics and the logs."""
    code: ClassVar[str | None] = "internal_error"
    """The envelope's `code`: the name, unless OpenAI has a code of its own for the failure."""
    type: ClassVar[str] = "server_error"
    """The envelope's `type`, in OpenAI's vocabulary."""
    retryable: ClassVar[bool] = False
    """Whether the same request may succeed later; sent as `x-should-retry`."""
    may_be_charged: ClassVar[bool] = False
    """Whether the upstream may have generated more output than arrived, and may charge for it."""

    def __init_subclass__(cls) -> None:
        """Make the name the code, unless the class sets a code."""
        super().__init_subclass__()
        if "code" not in vars(cls):
            cls.code = cls.name

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        upstream_detail: UpstreamErrorDetail | None = None,
    ) -> None:
        """`message` defaults to the first paragraph of the class's docstring; `retry_after` is in seconds."""
        self.message = message or _first_paragraph(type(self).__doc__ or self.name)
        self.param = param
        self.retry_after = retry_after
        self.upstream_detail = upstream_detail
        super().__init__(self.message)

    def pack(self) -> dict[str, object]:
        """Return the error as plain values, for another process; `tidegate.core.errors.unpack_error` reads them."""
        detail = msgspec.to_builtins(self.upstream_detail) if self.upstream_detail else None
        return {
            "name": self.name,
            "message": self.message,
            "param": self.param,
            "wait": self.retry_after,
            "words": detail,
        }


def _first_paragraph(docstring: str) -> str:
    return " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())
