"""A script is its file with its includes; Redis knows it by the digest of the whole text."""

import hashlib

from tidegate.storage.script import Script


def test_an_include_stands_for_the_text_of_another_file() -> None:
    script = Script("reap")
    assert "-- include:" not in script.text
    assert "local function name_of(" in script.text
    assert "local function reservations_reap(" in script.text


def test_the_digest_is_that_of_the_whole_text() -> None:
    script = Script("reap")
    assert script.digest == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()
    assert repr(script) == "Script(reap)"
