"""Every error has a message, a unique name and a code, and can be passed to another process."""

import json
import re

import msgspec
import pytest

from tidegate.core import errors
from tidegate.core.errors import TidegateError, UpstreamErrorDetail, unpack_error


def subclasses_of(kind: type[TidegateError]) -> list[type[TidegateError]]:
    """Return the class and all its subclasses."""
    return [kind, *(one for below in kind.__subclasses__() for one in subclasses_of(below))]


ERROR_CLASSES = subclasses_of(TidegateError)
WORDS = UpstreamErrorDetail(status=429, type="tokens", code="rate_limit_exceeded", message="Slow.", request_id="req_9")


@pytest.mark.parametrize("kind", ERROR_CLASSES)
def test_an_error_is_its_docstring_unless_it_is_told_more(kind: type[TidegateError]) -> None:
    sentence = kind().message
    assert re.match(r"^[A-Z].*\.$", sentence.replace("\n", " ")), "a person can read it"
    assert str(kind()) == sentence
    assert (kind("Because.").message, str(kind("Because."))) == ("Because.", "Because.")


def test_names_are_few_fixed_and_each_errors_own() -> None:
    names = [kind.__dict__.get("name") for kind in ERROR_CLASSES]
    assert None not in names
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z_]+", name) for name in names if name)


def test_all_are_exported() -> None:
    here = {kind.__name__ for kind in ERROR_CLASSES if kind.__module__.startswith(errors.__name__)}
    assert here <= set(errors.__all__)
    assert all(hasattr(errors, name) for name in errors.__all__)


@pytest.mark.parametrize("kind", ERROR_CLASSES)
def test_an_error_is_the_same_in_another_process(kind: type[TidegateError]) -> None:
    error = kind("Slow.", retry_after=7.5, upstream_detail=WORDS)
    error.param = "model"
    for packed in (
        msgspec.msgpack.decode(msgspec.msgpack.encode(error.pack())),
        json.loads(json.dumps(error.pack())),
    ):
        again = unpack_error(packed)
        assert type(again) is kind
        assert (again.message, again.param, again.retry_after, again.upstream_detail) == ("Slow.", "model", 7.5, WORDS)
        assert (again.type, again.code, again.retryable) == (error.type, error.code, error.retryable)


@pytest.mark.parametrize("packed", [{}, {"name": "of a later version", "message": "x"}, {"name": None}])
def test_an_error_nobody_knows_is_still_an_error(packed: dict[str, object]) -> None:
    error = unpack_error(packed)
    assert type(error) is TidegateError
    assert error.message
