"""An object of another project is missing as OpenAI's is; the other errors say what was not done."""

import pytest

from tidegate.core.errors import (
    BatchLineRefused,
    ObjectNotFound,
    ObjectNotRecorded,
    ObjectsApart,
    TidegateError,
    TooManyObjects,
    UpstreamObjectNotFound,
)


def test_a_missing_object_has_openais_type_and_no_code() -> None:
    error = UpstreamObjectNotFound("No such File object: file-1", param="file_id")
    assert isinstance(error, ObjectNotFound)
    assert (error.type, error.code, error.retryable) == ("invalid_request_error", None, False)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ObjectsApart, "not sent"),
        (TooManyObjects, "not sent"),
        (BatchLineRefused, "no batch was made"),
        (ObjectNotRecorded, "could not be recorded"),
    ],
)
def test_each_says_what_was_not_done(kind: type[TidegateError], words: str) -> None:
    assert words in kind().message
    assert not kind.retryable
