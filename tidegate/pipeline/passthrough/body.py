"""Reads the body of a call that passes through, as far as its fields must be known before it is sent.

JSON is read whole. A form is read as it streams: its fields are looked at on the way, and the part of the body that
would complete the request is sent only after all of them were checked. So a file of any size is never whole in memory,
and a field that stands behind the file is checked as one before it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from tidegate.core.errors import (
    BodyTimeout,
    TidegateError,
    UnsupportedCompression,
    UploadTooLarge,
    WrongContentType,
)
from tidegate.core.process.interrupt import Interruption
from tidegate.core.values import Caller
from tidegate.pipeline.passthrough.request import (
    NO_FACTS,
    BodyFacts,
    PassthroughRequest,
    ReadBody,
    UploadSource,
    lacks_usage,
    models_in,
    with_usage,
)
from tidegate.providers.request_body import StreamedBody
from tidegate.wire.call import read_object
from tidegate.wire.operations.multipart import MultipartReader, boundary_of
from tidegate.wire.operations.operation import BodyKind, ChargeBasis

_JSON = "application/json"
_FORM = "multipart/form-data"
_PRELUDE_BYTES = 256 * 1024
"""So much of a form is read before it is sent, where its fields do not stand before its file."""
_HELD_COPIES = 2

CheckFacts = Callable[[BodyFacts], Awaitable[None]]
"""Checks what a body says. Raises TidegateError where it must not be sent."""


class UploadBounds(msgspec.Struct, frozen=True):
    """How large a body that streams may be, and how long it may take."""

    max_bytes: int
    silence_seconds: float
    """Without any byte."""
    total_seconds: float
    max_held_bytes: int
    """Of a form that is kept in memory until all its fields are known."""


async def read_body(
    request: PassthroughRequest, caller: Caller, bounds: UploadBounds, *, needs_fields: bool, check_late: CheckFacts
) -> ReadBody:
    """Return the body of a request, read as far as its kind requires.

    With `needs_fields`, a form is kept in memory until all its fields have come. `check_late` checks the fields of a
    form that have come while it was sent. Raises what `request.read_whole` does, MalformedMultipart, WrongContentType,
    UnsupportedCompression, UploadTooLarge, BodyTimeout and ClientDisconnected.
    """
    kind = request.match.operation.body
    content_type = request.headers.get("content-type", "")
    if kind is BodyKind.NONE:
        return ReadBody(body=None, content_type=None, facts=lambda: NO_FACTS)
    if kind is BodyKind.BYTES:
        if not ("content-length" in request.headers or "transfer-encoding" in request.headers):
            return ReadBody(body=None, content_type=None, facts=lambda: NO_FACTS)
        upload = StreamedUpload(request.source, bounds)
        streamed = StreamedBody(upload.pieces(), _stated_size(request, bounds))
        return ReadBody(body=streamed, content_type=content_type or None, facts=lambda: NO_FACTS)
    is_form = content_type.lower().startswith(_FORM)
    if kind is (BodyKind.JSON if is_form else BodyKind.MULTIPART):
        raise _wrong_type(kind, content_type)
    if not is_form:
        return await _read_json(request, caller)
    return await _read_form(request, content_type, bounds, needs_fields=needs_fields, check_late=check_late)


async def _read_json(request: PassthroughRequest, caller: Caller) -> ReadBody:
    data = await request.read_whole(caller)
    values = read_object(data) if data.strip() else {}
    facts = BodyFacts(values=values, models=models_in(data), document=data)
    adds_usage = request.match.operation.charge is ChargeBasis.TOKENS and lacks_usage(values)
    body = with_usage(data) if adds_usage else data
    return ReadBody(body=body, content_type=_JSON, facts=lambda: facts, adds_usage=adds_usage)


async def _read_form(
    request: PassthroughRequest, content_type: str, bounds: UploadBounds, *, needs_fields: bool, check_late: CheckFacts
) -> ReadBody:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedCompression("A form cannot be read in a compressed body, so nothing was read. Send it plain.")
    upload = MultipartUpload(request.source, bounds, MultipartReader(boundary_of(content_type)), check_late)
    stated_size = _stated_size(request, bounds)
    if needs_fields:
        await upload.read_fields(bounds.max_held_bytes, lambda count: request.hold.grow(_HELD_COPIES * count))
    else:
        await upload.read_fields(_PRELUDE_BYTES, None)
    size = upload.size if upload.is_over else stated_size
    return ReadBody(body=StreamedBody(upload.pieces(), size), content_type=content_type, facts=upload.facts)


class StreamedUpload:
    """A body that is sent as it arrives."""

    def __init__(self, source: UploadSource, bounds: UploadBounds) -> None:
        """Nothing is read yet."""
        self._source = source
        self._bounds = bounds
        self._deadline = asyncio.get_running_loop().time() + bounds.total_seconds
        self.size = 0
        """The bytes that have come."""
        self.is_over = False
        """Whether all of them have."""

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises UploadTooLarge, BodyTimeout and ClientDisconnected."""
        while not self.is_over:
            yield await self._next()

    async def _next(self) -> bytes:
        left = self._deadline - asyncio.get_running_loop().time()
        with Interruption(min(self._bounds.silence_seconds, left), self._timeout):
            data, self.is_over = await self._source.read()
        self.size += len(data)
        if self.size > self._bounds.max_bytes:
            raise _too_large(self._bounds)
        return data

    def _timeout(self) -> TidegateError:
        seconds = self._bounds.silence_seconds
        return BodyTimeout(f"The request was dropped: nothing of its body arrived for {seconds:g} s. Send it again.")


class MultipartUpload(StreamedUpload):
    """A form that is sent as it arrives, and whose fields are read on the way."""

    def __init__(
        self, source: UploadSource, bounds: UploadBounds, reader: MultipartReader, check_late: CheckFacts
    ) -> None:
        """Nothing is read yet."""
        super().__init__(source, bounds)
        self._reader = reader
        self._check_late = check_late
        self._first: list[bytes] = []
        """What was read before the form is sent."""
        self._is_checked = False
        """Whether all of its fields were checked."""

    def facts(self) -> BodyFacts:
        """Return what the fields say that have come by now; of equal names the last counts, and each model."""
        fields = self._reader.fields
        models = tuple(dict.fromkeys(value for name, value in fields if name == "model"))
        return BodyFacts(values=dict(fields), models=models, fields=tuple(fields), is_whole=self._reader.is_complete)

    async def read_fields(self, max_bytes: int, hold: Callable[[int], Awaitable[None]] | None) -> None:
        """Read until a file begins, the form ends, or `max_bytes` were read; with `hold`, to the form's end.

        `hold` takes the memory. Raises UploadTooLarge where the form ends later than `max_bytes`.
        """
        kept = 0
        while not (self._reader.is_complete or self.is_over or (self._reader.has_file and hold is None)):
            data = await self._next()
            kept += len(data)
            if hold is not None:
                if kept > max_bytes:
                    raise _file_before_fields(max_bytes)
                await hold(len(data))
            self._reader.feed(data)
            self._first.append(data)
            if hold is None and kept > max_bytes:
                break
        self._is_checked = self._reader.is_complete  # the caller does it

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the form; the piece that completes it follows once all its fields were checked.

        Raises as StreamedUpload's, MalformedMultipart, and what the check raises.
        """
        kept, self._first = self._first, []
        for piece in kept[:-1]:
            yield piece
        last = kept[-1] if kept else b""
        while not self.is_over:
            data = await self._next()
            self._reader.feed(data)
            if self._reader.is_complete and not self._is_checked:
                self._is_checked = True
                await self._check_late(self.facts())
            yield last
            last = data
        self._reader.check_end()
        yield last


def _stated_size(request: PassthroughRequest, bounds: UploadBounds) -> int | None:
    """Return the size that the request states. Raises UploadTooLarge."""
    text = request.headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        return None
    if int(text) > bounds.max_bytes:
        raise _too_large(bounds)
    return int(text)


def _wrong_type(kind: BodyKind, content_type: str) -> WrongContentType:
    expected = _JSON if kind is BodyKind.JSON else _FORM
    stated = content_type[:80].encode("ascii", "replace").decode() or "nothing"
    return WrongContentType(
        f"The request was not read: its `content-type` says {stated}, and this operation takes {expected}. Correct it."
    )


def _too_large(bounds: UploadBounds) -> UploadTooLarge:
    return UploadTooLarge(
        f"The request was not sent on: its body is larger than {bounds.max_bytes:,} bytes, the limit of this gateway."
    )


def _file_before_fields(max_bytes: int) -> UploadTooLarge:
    return UploadTooLarge(
        "The request was not sent: a budget applies, so its fields must be known first, and its form is larger than "
        f"{max_bytes:,} bytes (server.max_body_bytes). Send a smaller file."
    )
