"""What one operation is: its method and path, its body, its answer, its price, and the objects that it concerns."""

from collections.abc import Mapping
from enum import Enum

import msgspec

NO_OBJECTS: Mapping[str, "ObjectKind"] = {}


class BodyKind(Enum):
    """What a request carries."""

    NONE = "none"
    JSON = "json"
    MULTIPART = "multipart"
    JSON_OR_MULTIPART = "json or multipart"
    BYTES = "bytes"
    """Any content: nothing is read of it."""


class AnswerContent(Enum):
    """What a success carries."""

    JSON = "json"
    BYTES = "bytes"
    JSON_OR_EVENTS = "json or events"
    """JSON, or server-sent events where the caller requests a stream."""
    BYTES_OR_EVENTS = "bytes or events"
    """Binary content, or server-sent events where the caller requests a stream."""


class ObjectKind(Enum):
    """What stands alone at OpenAI and belongs to a project; parts of such an object belong to it."""

    FILE = "file"
    UPLOAD = "upload"
    BATCH = "batch"
    VECTOR_STORE = "vector_store"
    FINE_TUNING_JOB = "fine_tuning_job"
    MODEL = "model"
    """A fine-tuned model."""
    CONTAINER = "container"
    VIDEO = "video"
    CHARACTER = "character"
    EVAL = "eval"
    SKILL = "skill"
    VOICE = "voice"
    VOICE_CONSENT = "voice_consent"


class OperationClock(Enum):
    """How long an operation may take."""

    USUAL = "usual"
    LONG = "long"
    """Minutes until the first byte: an image, a transcript."""
    TRANSFER = "transfer"
    """As long as bytes arrive: an upload or a download."""


class ChargeBasis(Enum):
    """By what OpenAI charges an operation."""

    FREE = "free"
    TOKENS = "tokens"
    """By the tokens of the answer's `usage`."""
    IMAGES = "images"
    """By tokens, or by image, quality and size, as the model is priced."""
    SPEECH = "speech"
    """By the characters of the input or by tokens, as the model is priced."""
    TRANSCRIPTION = "transcription"
    """By the minutes of audio or by tokens, as the model is priced."""
    VIDEO = "video"
    """By the seconds of video, at the price of its size."""
    CONTAINER = "container"
    """By the container, at the price of its memory."""
    LATER = "later"
    """By what a job has used at its end: a batch, a fine-tuning job."""
    UNMETERED = "unmetered"
    """By what the caller does elsewhere, which this gateway cannot see: the ledger's line is `unpriced`."""
    UNKNOWN = "unknown"
    """No published price, or one that the answer does not tell: the ledger's line is `unpriced`."""


class Operation(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One method and path of OpenAI's API. Compare entries by identity."""

    label: str
    """Low-cardinality name, in the ledger, the metrics and the configuration: `files.create`."""
    method: str
    path: str
    """Its path at OpenAI and at the gateway, with its parameters: `/v1/files/{file_id}`."""
    body: BodyKind = BodyKind.NONE
    answer: AnswerContent = AnswerContent.JSON
    clock: OperationClock = OperationClock.USUAL
    charge: ChargeBasis = ChargeBasis.FREE
    makes: ObjectKind | None = None
    """What a success makes."""
    made_at: tuple[str, ...] = ("id",)
    """Where the answer names what it made: keys from the outside inwards."""
    lists: ObjectKind | None = None
    """What the entries of the answer's `data` are."""
    deletes: ObjectKind | None = None
    """What a success deletes: the object that the path names."""
    of: Mapping[str, ObjectKind] = NO_OBJECTS
    """The path's parameters that name an object, with its kind."""

    @property
    def group(self) -> str:
        """The resource that it belongs to, as the SDK names it: `files`."""
        return self.label.partition(".")[0]

    def __repr__(self) -> str:
        return f"<Operation {self.label}>"


class MatchedOperation(msgspec.Struct, frozen=True):
    """An operation, and the values of its path's parameters."""

    operation: Operation
    parameters: Mapping[str, str]
