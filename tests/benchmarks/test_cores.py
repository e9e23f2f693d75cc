"""The gateway's core runs the gateway alone, however many cores there are."""

import pytest

from benchmarks.cores import Cores
from benchmarks.processes import BenchmarkError


@pytest.mark.parametrize(
    ("available", "stores", "upstream", "load"),
    [({0, 1}, 1, 1, 1), ({2, 5, 3}, 3, 5, 3), ({0, 1, 2, 3, 4}, 1, 2, 3)],
)
def test_the_gateway_is_alone_and_the_others_are_apart_where_they_can_be(
    available: set[int], stores: int, upstream: int, load: int
) -> None:
    cores = Cores.of(available)
    assert cores == Cores(gateway=min(available), stores=stores, upstream=upstream, load=load)


def test_a_single_core_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="needs two cores"):
        Cores.of({0})


def test_readers_are_told_who_shares_a_core() -> None:
    assert Cores.of({0, 1}).described() == ("The gateway runs alone on core 0; stores, upstream and load share core 1.")
    assert "the stores on core 1, the upstream on core 2, the load on core 3" in Cores.of(range(4)).described()
