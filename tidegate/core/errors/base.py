"""The root of all typed errors."""

import inspect
from typing import ClassVar

import msgspec


class UpstreamErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What the upstream itself said, scrubbed of key material; kept for the log and the caller."""

    status: int
    type: str | None = None
    code: str | None = None
    param: str | None = None
    message: str = ""
    request_id: str | None = None


class TidegateError(Exception):
    """Something went wrong inside Tidegate. Try again; if it persists, look at the gateway's log."""

    name: ClassVar[str] = "internal"
    """Low-cardinality name, for metrics and logs."""
    type: ClassVar[str] = "server_error"
    """The envelope's `type`, in OpenAI's vocabulary."""
    code: ClassVar[str | None] = "internal_error"
    """The envelope's `code`, used when the upstream gave none."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later; sent as `x-should-retry`."""
    may_be_charged: ClassVar[bool] = False
    """Whether the upstream, if the call was sent, may have read it and written more than arrived: it charges that."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        upstream_detail: UpstreamErrorDetail | None = None,
    ) -> None:
        """`message` defaults to the class's docstring; `retry_after` is in seconds."""
        self.message = message or inspect.cleandoc(type(self).__doc__ or self.name).partition("\n\n")[0]
        self.param = param
        self.retry_after = retry_after
        self.upstream_detail = upstream_detail
        super().__init__(self.message)

    def pack(self) -> dict[str, object]:
        """The error as plain values, for another process; `tidegate.core.errors.unpack_error` reads it."""
        words = msgspec.to_builtins(self.upstream_detail) if self.upstream_detail else None
        return {
            "name": self.name,
            "message": self.message,
            "param": self.param,
            "wait": self.retry_after,
            "words": words,
        }
