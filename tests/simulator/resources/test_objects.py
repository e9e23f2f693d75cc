"""A kind of objects is made, read, changed, listed and deleted as its declaration says."""

from typing import Any

import msgspec
import pytest

from tests.simulator.resources.asking import NOW, resource_call
from tidegate.simulator.checks.shapes import Object, Text
from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.objects import StoredKind, wrong_state
from tidegate.simulator.resources.organization import Organization

_BOATS = StoredKind(
    label="boats", path="/boats", parameter="boat_id", name="Boat", prefix="boat_",
    shape=Object(fields={"name": Text()}, required=("name",)),
)  # fmt: skip
_SAILS = StoredKind(
    label="boats.sails", path="/boats/{boat_id}/sails", parameter="sail_id", name="Sail", prefix="sail_", parent=_BOATS
)


def _call(organization: Organization, body: Any = None, **parameters: str) -> Any:
    return resource_call(
        b"" if body is None else msgspec.json.encode(body), organization=organization, parameters=parameters
    )


def test_an_object_lives_from_its_creation_to_its_deletion() -> None:
    port = Organization()
    made = _BOATS.create(_call(port, {"name": "a"})).body or {}
    assert made == {"id": "boat_" + "0" * 32, "created_at": int(NOW), "name": "a"}
    one = {"boat_id": made["id"]}
    assert (_BOATS.update(_call(port, {"name": "b", "other": 1}, **one)).body or {})["name"] == "b"
    assert _BOATS.retrieve(_call(port, **one)).body == {**made, "name": "b"}
    assert (_BOATS.listed(_call(port)).body or {})["data"] == [{**made, "name": "b"}]
    assert _BOATS.delete(_call(port, **one)).body == {"id": made["id"], "object": "boats.deleted", "deleted": True}
    with pytest.raises(Refusal, match=r"Boat with id 'boat_0+' not found"):
        _BOATS.retrieve(_call(port, **one))


def test_what_belongs_to_an_object_is_found_and_deleted_with_it() -> None:
    port = Organization()
    boat = (_BOATS.create(_call(port, {"name": "a"})).body or {})["id"]
    sail = (_SAILS.create(_call(port, {}, boat_id=boat)).body or {})["id"]
    assert (_SAILS.retrieve(_call(port, boat_id=boat, sail_id=sail)).body or {})["id"] == sail
    with pytest.raises(Refusal, match="Boat with id 'x' not found"):
        _SAILS.create(_call(port, {}, boat_id="x"))
    _BOATS.delete(_call(port, boat_id=boat))
    assert len(port.collection("boats.sails", boat)) == 0


def test_a_creation_is_checked() -> None:
    with pytest.raises(Refusal, match="Missing required parameter: 'name'"):
        _BOATS.create(_call(Organization(), {}))


def test_routes_are_those_that_are_named() -> None:
    routes = {route.label: (route.method, route.path) for route in _BOATS.routes("list", create=_BOATS.create)}
    assert routes == {"boats.list": ("GET", "/boats"), "boats.create": ("POST", "/boats")}


def test_a_wrong_state_is_a_conflict() -> None:
    assert wrong_state("It has ended.").status == 409
