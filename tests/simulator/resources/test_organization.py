"""An organisation stores objects up to its bounds, and forgets what belongs to an object with it."""

import pytest

from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.organization import Organization, Organizations, Record


def test_objects_are_kept_in_order_and_removed() -> None:
    files = Organization().collection("files")
    for name in "abc":
        files.add(Record(id=name, body={"id": name}))
    files.remove("b")
    assert [record.id for record in files.newest_first()] == ["c", "a"]
    assert (files.find("b"), len(files)) == (None, 2)


@pytest.mark.parametrize("bounds", [{"most_objects": 2}, {"most_bytes": 3000}])
def test_a_full_organisation_refuses_until_something_is_removed(bounds: dict[str, int]) -> None:
    files = Organization(**bounds).collection("files")
    files.add(Record(id="a", body={}))
    files.add(Record(id="b", body={}))
    with pytest.raises(Refusal, match="exceeded your file storage quota"):
        files.add(Record(id="c", body={}))
    files.remove("a")
    files.add(Record(id="c", body={}))


def test_what_belongs_to_an_object_goes_with_it() -> None:
    organization = Organization(most_objects=1)
    organization.collection("parts", "upload").add(Record(id="part", body={}))
    organization.drop("upload")
    assert len(organization.collection("parts", "upload")) == 0
    organization.collection("files").add(Record(id="a", body={}))


def test_keys_are_organisations_of_their_own_and_the_oldest_are_forgotten() -> None:
    organizations = Organizations()
    first = organizations.of_key("a")
    assert organizations.of_key("a") is first
    for number in range(1000):
        organizations.of_key(str(number))
    assert organizations.of_key("a") is not first


@pytest.mark.parametrize(
    ("seconds", "stopped", "now", "share"), [(0, None, 10, 1), (4, None, 11, 0.25), (4, 12, 20, 0.5), (4, None, 20, 1)]
)
def test_a_jobs_share_follows_the_time(seconds: float, stopped: float | None, now: float, share: float) -> None:
    record = Record(id="a", body={}, begun=10, seconds=seconds, stopped=stopped)
    assert record.share(now) == share
