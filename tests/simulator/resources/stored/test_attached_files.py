"""A file in a vector store is indexed as time passes, or fails, or is cancelled."""

import pytest

from tests.simulator.resources.asking import NOW, resource_call
from tidegate.simulator.resources.organization import Organization, Record
from tidegate.simulator.resources.stored.attached_files import attach, counts, files_of, settled
from tidegate.simulator.resources.stored.files import FileFacts, store_file


def _attached(organization: Organization, content: bytes = b"tide") -> Record:
    facts = FileFacts(filename="a.txt", purpose="assistants", created_at=NOW)
    file = store_file(organization, "file-a", content, facts)
    return attach(resource_call(organization=organization, job_seconds=10.0), "vs_a", file, {})


@pytest.mark.parametrize(
    ("content", "after", "stopped", "status"),
    [
        (b"tide", 9, None, "in_progress"),
        (b"tide", 10, None, "completed"),
        (b"\xff\x00", 10, None, "failed"),
        (b"tide", 10, NOW + 1, "cancelled"),
    ],
)
def test_its_status_follows_the_time(content: bytes, after: float, stopped: float | None, status: str) -> None:
    organization = Organization()
    record = _attached(organization, content)
    record.stopped = stopped
    found = settled(resource_call(organization=organization, now=NOW + after), record)
    assert found.body["status"] == status
    assert counts(files_of(organization, "vs_a"))[status] == 1
    assert (found.body["last_error"] is None) == (status != "failed")
    assert found.body["usage_bytes"] == (4 if status == "completed" else 0)
