"""By what an id is recognized: the shape that OpenAI gives the ids of a kind, and the keys that name objects. Pure."""

import re
from collections.abc import Mapping

from tidegate.wire.operations.operation import ObjectKind

PREFIXES: Mapping[str, ObjectKind] = {
    "file": ObjectKind.FILE,
    "assistant": ObjectKind.FILE,  # what an assistant wrote: a file, in spite of its name
    "upload": ObjectKind.UPLOAD,
    "batch": ObjectKind.BATCH,
    "vs": ObjectKind.VECTOR_STORE,
    "ftjob": ObjectKind.FINE_TUNING_JOB,
    "cntr": ObjectKind.CONTAINER,
    "video": ObjectKind.VIDEO,
    "char": ObjectKind.CHARACTER,
    "eval": ObjectKind.EVAL,
    "skill": ObjectKind.SKILL,
    "voice": ObjectKind.VOICE,
    "cons": ObjectKind.VOICE_CONSENT,
}
"""What the ids of a kind begin with, before a hyphen or an underscore."""
# a word such as `file_search` is no id: an id is random, so it is long, or has a digit or a capital letter
_SHAPE = re.compile(r"(?P<prefix>" + "|".join(PREFIXES) + r")(?:-|_)(?=[A-Za-z_-]*[0-9A-Z]|.{20})[A-Za-z0-9_-]{4,480}")
_FINE_TUNED = re.compile(r"ft:[^\s]{1,480}|[A-Za-z0-9._-]{1,80}:ft-[^\s]{1,400}")
"""A fine-tuned model's name, in its present form and in that of the first fine-tunes."""

KEYS: Mapping[str, ObjectKind] = {
    "file_id": ObjectKind.FILE,
    "file_ids": ObjectKind.FILE,
    "input_file_id": ObjectKind.FILE,
    "output_file_id": ObjectKind.FILE,
    "error_file_id": ObjectKind.FILE,
    "training_file": ObjectKind.FILE,
    "validation_file": ObjectKind.FILE,
    "vector_store_id": ObjectKind.VECTOR_STORE,
    "vector_store_ids": ObjectKind.VECTOR_STORE,
    "container": ObjectKind.CONTAINER,
    "container_id": ObjectKind.CONTAINER,
    "video_id": ObjectKind.VIDEO,
    "character_id": ObjectKind.CHARACTER,
    "skill_id": ObjectKind.SKILL,
    "voice_id": ObjectKind.VOICE,
    "consent": ObjectKind.VOICE_CONSENT,
    "consent_id": ObjectKind.VOICE_CONSENT,
    "eval_id": ObjectKind.EVAL,
    "batch_id": ObjectKind.BATCH,
    "upload_id": ObjectKind.UPLOAD,
    "fine_tuning_job_id": ObjectKind.FINE_TUNING_JOB,
}
"""The keys whose value is an id whatever its shape: servers that imitate OpenAI have ids of other shapes."""
HOLDERS: Mapping[str, ObjectKind] = {
    "file": ObjectKind.FILE,
    "video": ObjectKind.VIDEO,
    "voice": ObjectKind.VOICE,
    "container": ObjectKind.CONTAINER,
    "vector_store": ObjectKind.VECTOR_STORE,
    "character": ObjectKind.CHARACTER,
    "characters": ObjectKind.CHARACTER,
}
"""The keys of objects whose `id` is an id of this kind, such as `{"video": {"id": …}}`."""
TEXT_KEYS = frozenset(
    {
        "arguments", "call_id", "code", "content", "custom_id", "data", "delta", "description", "file_data", "filename",
        "input", "instructions", "item_id", "key", "name", "output", "partial", "prompt", "prompt_cache_key", "purpose",
        "query", "reason", "refusal", "safety_identifier", "stop", "suffix", "summary", "text", "title", "transcript",
        "type", "url", "user",
    }
)  # fmt: skip
"""The keys whose strings are words: a text that looks like an id names nothing. Objects below them are searched."""
FREE_KEYS = frozenset({"metadata"})
"""The keys below which everything is the caller's own text."""
_PART_OF_A_CONTAINER = "cfile_"


def kind_of_shape(text: str) -> ObjectKind | None:
    """Return the kind of object whose ids look like this text; None if there is none."""
    if (match := _SHAPE.fullmatch(text)) is not None:
        return PREFIXES[match["prefix"]]
    return ObjectKind.MODEL if is_fine_tuned(text) else None


def is_fine_tuned(model: str) -> bool:
    """Return whether a model's name is that of a fine-tuned model, which belongs to a project."""
    return _FINE_TUNED.fullmatch(model) is not None


def kind_named(key: str, holder: str, text: str) -> ObjectKind | None:
    """Return the kind of the object that a string names; None where it is only a text.

    `key` is the key of the string, or of the list that it is in; `holder` is that of the object around it.
    """
    if text.startswith(_PART_OF_A_CONTAINER):
        return None  # a file within a container is reached by its container's id, which stands beside it
    by_shape = kind_of_shape(text)
    if by_shape is not None:
        return None if key in TEXT_KEYS else by_shape
    if not text:
        return None
    return KEYS.get(key) if key != "id" else HOLDERS.get(holder)
