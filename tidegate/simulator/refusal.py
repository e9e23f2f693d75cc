"""OpenAI's error envelope."""

from collections.abc import Mapping

import msgspec


class Refusal(Exception):
    """The request is answered with an error instead of an answer."""

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
        """`kind` is the envelope's `type`; `headers` are added to the answer's."""
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind, "param": param, "code": code}
        self.headers = dict(headers or {})
        self.content_type = "application/json"

    @property
    def body(self) -> bytes:
        """The envelope as OpenAI sends it."""
        return msgspec.json.encode({"error": self.error})


class HtmlPageRefusal(Refusal):
    """Something in between answers with a page of its own."""

    def __init__(self, status: int, page: str) -> None:
        """`page` is HTML."""
        super().__init__(status, "A page instead of an answer.")
        self._page = page
        self.content_type = "text/html; charset=UTF-8"

    @property
    def body(self) -> bytes:
        """The page."""
        return self._page.encode()


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    """HTTP 400: the request cannot be understood."""
    return Refusal(400, message, param=param, code=code)
