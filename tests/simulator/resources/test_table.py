"""A request finds its operation by method and path."""

from collections import Counter

import pytest

from tidegate.simulator.resources.calls import ResourceAnswer, ResourceRoute
from tidegate.simulator.resources.table import RouteTable, every_route


def test_a_path_gives_its_ids() -> None:
    found = RouteTable(every_route()).find("GET", "/v1/files/file%2Da/content")
    assert found is not None
    assert (found.route.label, found.parameters) == ("files.content", {"file_id": "file-a"})


@pytest.mark.parametrize("path", ["/v1/files/", "/v1/files//content", "/v1/nothing", "/files", "/v1/files/a/b/c/d/e"])
def test_other_paths_are_not_found(path: str) -> None:
    table = RouteTable(every_route())
    assert table.find("GET", path) is None
    assert not table.has_path(path)


def test_a_path_with_another_method_is_known() -> None:
    table = RouteTable(every_route())
    assert table.find("DELETE", "/v1/files") is None
    assert table.has_path("/v1/files")


def test_a_fixed_part_goes_before_an_id() -> None:
    one, fixed = (
        ResourceRoute(label=path, method="GET", path=path, handler=lambda _: ResourceAnswer())
        for path in ("/videos/{id}", "/videos/characters")
    )
    table = RouteTable([one, fixed])
    found = table.find("GET", "/v1/videos/characters")
    assert found is not None
    assert found.route.label == "/videos/characters"


def test_no_two_operations_have_one_name_or_one_place() -> None:
    names = Counter(route.label for route in every_route())
    places = Counter((route.method, route.path) for route in every_route())
    assert [name for name, count in (names | places).items() if count > 1] == []
