"""Errors of operations that pass through: the caller's mistakes in a form, and what this gateway does not carry."""

from tidegate.core.errors.caller import BodyTooLarge, CallerError, UnknownRoute


class MalformedMultipart(CallerError):
    """The request's multipart form breaks the rules of its format, so it was not sent. Use an HTTP library."""

    name = "malformed_multipart"


class WrongContentType(CallerError):
    """The request's `content-type` is not one that this operation takes, so nothing was read. Correct the header."""

    name = "wrong_content_type"


class UploadTooLarge(BodyTooLarge):
    """The request's body is larger than `passthrough.max_upload_bytes`, so it was not sent on. Send a smaller one."""

    name = "upload_too_large"


class OperationNotCarried(UnknownRoute):
    """OpenAI has this operation, and this gateway does not carry it, so nothing was sent. Ask its operator."""

    name = "operation_not_carried"
    code = "unknown_url"


class OperationNotAllowed(CallerError):
    """This gateway's configuration does not let callers use this operation, so nothing was sent. Ask its operator."""

    name = "operation_not_allowed"
