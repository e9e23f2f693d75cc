"""A secret shows itself nowhere, and is recognised by a fingerprint that tells nothing of it."""

from tidegate.secrets.sources.reading import SecretReading, fingerprint, is_same


def test_a_fingerprint_recognises_a_secret() -> None:
    assert fingerprint("sk-one") == fingerprint("sk-one")
    assert fingerprint("sk-one") != fingerprint("sk-two")
    assert len(fingerprint("sk-one")) == 8


def test_a_reading_does_not_show_its_text() -> None:
    assert "sk-one" not in repr(SecretReading("sk-one", "1"))


def test_secrets_are_compared_whole() -> None:
    assert is_same("größe", "größe")
    assert not is_same("sk-one", "sk-on")
