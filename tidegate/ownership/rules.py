"""Decides whether a project may use the objects that its request names, and which account has them. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from tidegate.core.errors import ObjectsApart, UpstreamObjectNotFound
from tidegate.ownership.owned_object import ObjectReference, OwnedObject, OwnedPlace
from tidegate.wire.operations.operation import ObjectKind

Unrecorded = Literal["refuse", "allow"]
"""What is done with an object that no project has on record."""

_SENTENCES: Mapping[ObjectKind, str] = {
    ObjectKind.FILE: "No such File object: {id}",
    ObjectKind.UPLOAD: "No such Upload object: {id}",
    ObjectKind.BATCH: "No batch found with id '{id}'.",
    ObjectKind.VECTOR_STORE: "Vector store with id '{id}' not found.",
    ObjectKind.FINE_TUNING_JOB: "Could not find fine tune: {id}",
    ObjectKind.MODEL: "The model '{id}' does not exist",
    ObjectKind.CONTAINER: "Container with id '{id}' not found.",
    ObjectKind.VIDEO: "Video with id '{id}' not found.",
    ObjectKind.CHARACTER: "Character with id '{id}' not found.",
    ObjectKind.EVAL: "Eval with id '{id}' not found.",
    ObjectKind.SKILL: "Skill with id '{id}' not found.",
    ObjectKind.VOICE: "Voice with id '{id}' not found.",
    ObjectKind.VOICE_CONSENT: "Voice consent with id '{id}' not found.",
}
"""OpenAI's sentences for an object that does not exist."""
_MADE_ELSEWHERE = " If it was made outside of this gateway, an operator can record it with `tidegate objects assign`."
_MAX_ID_SHOWN = 200


def judge(
    references: Iterable[ObjectReference],
    owned: Mapping[str, OwnedObject],
    of_others: Collection[str],
    *,
    unrecorded: Unrecorded,
) -> OwnedPlace | None:
    """Return the account that has the objects; None where it does not matter.

    `owned` are those that the project has on record, and `of_others` the ids that others have. Raises
    UpstreamObjectNotFound, in the same words for an object of another project and for one without a record, and
    ObjectsApart where no account has all of them.
    """
    place: OwnedPlace | None = None
    for reference in references:
        known = owned.get(reference.id)
        if known is None or known.is_forgotten:
            if known is None and unrecorded == "allow" and reference.id not in of_others:
                continue
            raise not_found(reference, unrecorded=unrecorded)
        if not known.place.credential:
            continue  # it is not known which account has it
        if place is not None and known.place != place:
            raise ObjectsApart(param=reference.param)
        place = known.place
    return place


def not_found(reference: ObjectReference, *, unrecorded: Unrecorded) -> UpstreamObjectNotFound:
    """Return the error for an object that the project may not use, as if it did not exist."""
    sentence = _SENTENCES[reference.kind].format(id=reference.id[:_MAX_ID_SHOWN])
    if unrecorded == "refuse":
        sentence = sentence.removesuffix(".") + "." + _MADE_ELSEWHERE
    return UpstreamObjectNotFound(sentence, param=reference.param[:_MAX_ID_SHOWN])
