"""Pages quote the figures of RESULTS.md word for word."""

import pytest

from benchmarks import results


@pytest.mark.parametrize("name", list(results.QUOTES))
def test_a_page_has_the_figures_of_the_results(name: str) -> None:
    page = results.QUOTES[name]
    measured = results.quoted(results.RESULTS.read_text(), name)
    assert results.quoted(page.read_text(), name) == measured, (
        f"{page.name} has other figures than benchmarks/RESULTS.md; `make bench` writes both"
    )


def test_only_the_block_is_replaced() -> None:
    page = f"before\n\n{results.marked('README', '| old |')}\n\nafter\n"
    assert results.with_block(page, "README", "| new |") == (
        f"before\n\n{results.marked('README', '| new |')}\n\nafter\n"
    )


def test_a_page_without_the_block_is_refused() -> None:
    with pytest.raises(ValueError, match="no block"):
        results.quoted("nothing is quoted here", "README")
