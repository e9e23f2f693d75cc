"""Replaces a value in Amazon Secrets Manager: stored as pending, tested, made current. On failure nothing has moved."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec

from tidegate.core.config.secret_errors import SecretError, SecretUnusable
from tidegate.core.config.secret_reference import MAX_BYTES, SecretReference, secret_text
from tidegate.core.scrub import remember_secret
from tidegate.secrets.sources.aws import CURRENT, StoredVersion
from tidegate.secrets.sources.aws_versions import PENDING, AwsVersions
from tidegate.secrets.sources.reading import fingerprint, is_same


class SecretRotationError(SecretError):
    """A secret was not rotated."""

    name = "secret_rotation_error"
    exit_code: ClassVar[int] = 1
    """The command's exit code: 75 where a later try may succeed."""


class NewSecretRefused(SecretRotationError):
    """What uses the secret does not accept the new value."""

    name = "new_secret_refused"


class NewSecretUntested(SecretRotationError):
    """What uses the secret did not answer, so the new value could not be tested."""

    name = "new_secret_untested"
    exit_code = 75


class RotationInProgress(SecretRotationError):
    """Another version is already pending."""

    name = "rotation_in_progress"


class RotationUncertain(SecretRotationError):
    """The service did not say whether the new version is current."""

    name = "rotation_uncertain"
    exit_code = 75


class RotatedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotation has done."""

    reference: str
    version: str
    previous_version: str
    fingerprint: str
    warning: str = ""
    """What was left undone although the new value is current."""


def rotate_secret(
    versions: AwsVersions,
    reference: SecretReference,
    text: str,
    test: Callable[[], None],
    *,
    discard_pending: bool = False,
) -> RotatedSecret:
    """Make `text` the current value of a secret, if `test` raises nothing. Blocks while services answer.

    With a JSON key in the reference only that member is replaced. `discard_pending` gives up a version that an earlier
    rotation left pending. Raises SecretError.
    """
    remember_secret(f"the new value of {reference}", text)
    before = versions.current()
    _refuse_second_rotation(versions, reference, discard_pending=discard_pending)
    content = _content_with(reference, before, text)
    new = str(uuid.uuid4())
    with _undone_on_failure(versions, new):
        versions.put_pending(new, content)
        test()
        _make_current(versions, reference, new, before.version)
    return RotatedSecret(
        reference=str(reference),
        version=new,
        previous_version=before.version,
        fingerprint=fingerprint(text),
        warning=_drop_pending(versions, new),
    )


def _refuse_second_rotation(versions: AwsVersions, reference: SecretReference, *, discard_pending: bool) -> None:
    stages = versions.by_stage()
    pending = stages.get(PENDING)
    if pending is not None and pending != stages.get(CURRENT) and not discard_pending:
        raise RotationInProgress(
            f"The secret {reference} was not changed: version {pending} is pending, so another rotation is in progress "
            "or was broken off. Wait for its end, or pass --discard-pending."
        )


def _content_with(reference: SecretReference, before: StoredVersion, text: str) -> str:
    """Return what the place holds with the new value. Raises SecretUnusable."""
    if is_same(secret_text(reference, before.content), text):
        raise SecretUnusable(f"The secret {reference} was not changed: it has this value already.")
    if not reference.json_key:
        return text
    members: dict[str, Any] = msgspec.json.decode(before.content, type=dict[str, msgspec.Raw])
    content = msgspec.json.encode({**members, reference.json_key: text})
    if len(content) > MAX_BYTES:
        raise SecretUnusable(f"The secret {reference} was not changed: it would be larger than {MAX_BYTES:,} bytes.")
    return content.decode()


@contextlib.contextmanager
def _undone_on_failure(versions: AwsVersions, new: str) -> Iterator[None]:
    try:
        yield
    except RotationUncertain:
        raise
    except SecretError as error:
        if left := _drop_pending(versions, new):
            raise type(error)(f"{error} {left}") from error
        raise
    except BaseException:  # Ctrl-C during a test: nothing may stay pending
        _drop_pending(versions, new)
        raise


def _drop_pending(versions: AwsVersions, new: str) -> str:
    """Take AWSPENDING away; return what is left to do by hand where the service refuses."""
    try:
        if versions.by_stage().get(PENDING) == new:
            versions.drop_pending(new)
    except SecretError:
        return f"{PENDING} may still be on version {new}, because the service did not answer. Remove it there."
    return ""


def _make_current(versions: AwsVersions, reference: SecretReference, new: str, old: str) -> None:
    try:
        versions.make_current(new, instead_of=old)
    except SecretError as error:
        try:
            has_moved = versions.by_stage().get(CURRENT) == new
        except SecretError as second:
            raise RotationUncertain(
                f"It is not known whether the new value of {reference} is in use: {second} "
                f"Look which version has {CURRENT}: {new} is the new one, {old} the old one."
            ) from error
        if not has_moved:
            raise
