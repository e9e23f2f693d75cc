"""A changed secret is noticed, a place that fails leaves the old one in use, and a billed place is rarely read."""

from pathlib import Path
from random import SystemRandom

import pytest
from structlog.testing import capture_logs

from tidegate.core.clock import ManualClock
from tidegate.core.config.secret_errors import SecretSourceUnavailable
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference, read_local
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.watch import SecretWatch

REMOTE = SecretReference("aws-sm", "openai")
HOUR = 3600


class Place:
    """A service with one secret."""

    def __init__(self) -> None:
        self.text = "sk-one"
        self.is_dead = False
        self.reads = 0

    def read(self, reference: SecretReference) -> SecretReading:
        """Return the secret, or what a file holds."""
        if reference.kind == "file":
            return SecretReading(read_local(reference, {}))
        self.reads += 1
        if self.is_dead:
            raise SecretSourceUnavailable(f"The secret {reference} cannot be read: it did not answer.")
        return SecretReading(self.text, "1")


@pytest.fixture
def place() -> Place:
    return Place()


def watch_over(place: Place, clock: ManualClock, *references: SecretReference) -> SecretWatch:
    secrets = [ReferredSecret(place.read(reference).text, reference) for reference in references or (REMOTE,)]
    place.reads = 0
    return SecretWatch(secrets, place.read, every=300.0, clock=clock, random=SystemRandom())


def found(watch: SecretWatch) -> list[str]:
    return [report.reading.text for report in watch.run_round() if report.reading is not None]


def test_a_new_secret_is_found_within_one_refresh_and_told_once(place: Place) -> None:
    clock = ManualClock()
    watch = watch_over(place, clock)
    place.text = "sk-two"
    seen = []
    for _ in range(331):
        clock.advance(1.0)
        seen += found(watch)
    assert seen == ["sk-two"]


def test_a_billed_place_is_read_at_most_thirteen_times_an_hour(place: Place) -> None:
    clock = ManualClock()
    watch = watch_over(place, clock)
    for _ in range(HOUR):
        clock.advance(1.0)
        watch.run_round()
    assert 11 <= place.reads <= 13


def test_a_file_is_found_changed_within_seconds_whether_written_or_replaced(place: Place, tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "key"
    file.write_text("sk-one")
    watch = watch_over(place, clock, SecretReference("file", str(file)))
    file.write_text("sk-two")
    clock.advance(1.2)
    assert found(watch) == ["sk-two"]
    (tmp_path / "new").write_text("sk-three")
    (tmp_path / "new").rename(file)
    clock.advance(1.2)
    assert found(watch) == ["sk-three"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 70_000, b"a\nb"])
def test_a_file_that_is_spoilt_is_told_once_and_the_old_secret_stays(
    place: Place, tmp_path: Path, content: bytes
) -> None:
    clock, file = ManualClock(), tmp_path / "key"
    file.write_text("sk-one")
    watch = watch_over(place, clock, SecretReference("file", str(file)))
    file.write_bytes(content)
    with capture_logs() as logs:
        for _ in range(20):
            clock.advance(1.2)
            assert found(watch) == []
    assert [line["event"] for line in logs] == ["a secret cannot be read; the old value stays in use"]
    file.write_text("sk-two")
    clock.advance(1.2)
    assert found(watch) == ["sk-two"]


def test_a_place_that_is_dead_for_an_hour_is_rarely_asked_and_told_louder_and_rarer(place: Place) -> None:
    clock = ManualClock()
    watch = watch_over(place, clock)
    place.is_dead = True
    with capture_logs() as logs:
        for _ in range(HOUR):
            clock.advance(1.0)
            assert watch.run_round() == []
    assert place.reads < 60
    assert 3 <= len(logs) <= 8
    assert [line["log_level"] for line in logs] == sorted((line["log_level"] for line in logs), reverse=True)
    assert logs[-1]["log_level"] == "error"
    place.is_dead = False
    place.text = "sk-two"
    clock.advance(331.0)
    assert found(watch) == ["sk-two"]


def test_a_read_that_was_asked_for_answers_even_with_nothing_new_and_comes_once_a_minute(place: Place) -> None:
    clock = ManualClock()
    watch = watch_over(place, clock)
    for _ in range(5):
        watch.force(REMOTE)
    assert [report.reading for report in watch.run_round()] == [None]
    watch.force(REMOTE)
    assert watch.run_round() == []
    assert place.reads == 1
    clock.advance(61.0)
    place.is_dead = True
    watch.force(REMOTE)
    assert [report.reading for report in watch.run_round()] == [None]


def test_a_variable_is_not_watched(place: Place) -> None:
    secret = ReferredSecret("sk", SecretReference("env", "KEY"))
    watch = SecretWatch([secret], place.read, every=300.0, clock=ManualClock(), random=SystemRandom())
    assert watch.states == {}
    watch.force(secret.reference)
