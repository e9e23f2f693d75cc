"""OpenAI's error envelope."""

from collections.abc import Mapping

import msgspec


class Refusal(Exception):
    """An error that is sent instead of an answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = "invalid_request_error",
        code: str | int | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`kind` is the envelope's `type`; `headers` are added to those of the answer."""
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind, "param": param, "code": code}
        self.headers = dict(headers or {})
        self.content_type = "application/json"

    @property
    def body(self) -> bytes:
        """Return the envelope as OpenAI sends it."""
        return msgspec.json.encode({"error": self.error})


class HtmlPageRefusal(Refusal):
    """An error page of a proxy in front of the upstream."""

    def __init__(self, status: int, page: str) -> None:
        """`page` is HTML."""
        super().__init__(status, "A page instead of an answer.")
        self._page = page
        self.content_type = "text/html; charset=UTF-8"

    @property
    def body(self) -> bytes:
        """Return the page."""
        return self._page.encode()


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    """Return the refusal, HTTP 400, of a request that cannot be understood."""
    return Refusal(400, message, param=param, code=code)
