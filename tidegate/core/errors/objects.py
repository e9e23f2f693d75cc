"""Errors of objects that projects make at an upstream: files, batches, vector stores."""

from typing import ClassVar

from tidegate.core.errors.caller import CallerError
from tidegate.core.errors.conversations import ObjectNotFound
from tidegate.core.errors.stores import StoreError


class UpstreamObjectNotFound(ObjectNotFound):
    """The project has no such object at the upstream, so the request was not sent. Check the id."""

    name = "upstream_object_not_found"
    code: ClassVar[str | None] = None


class ObjectsApart(CallerError):
    """The request names objects of different accounts at the upstream, so it was not sent. Make them again in one."""

    name = "objects_apart"


class TooManyObjects(CallerError):
    """The request names more than 5,000 objects, so it was not sent. Send several requests."""

    name = "too_many_objects"


class BatchLineRefused(CallerError):
    """A line of the batch's input file is not allowed to this key, so no batch was made. Correct the line."""

    name = "batch_line_refused"


class ObjectNotRecorded(StoreError):
    """An object was made, but its owner could not be recorded, so it cannot be used. See the gateway's log."""

    name = "object_not_recorded"
    retryable = False
