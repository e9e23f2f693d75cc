"""Pages quote the figures of RESULTS.md word for word."""

from pathlib import Path

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


def test_writing_keeps_other_results_and_changes_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {name: tmp_path / f"{name}.md" for name in results.QUOTES}
    measured = tmp_path / "RESULTS.md"
    measured.write_text("# Side by side\n\nold\n\n# Another benchmark\n\nits figures\n")
    for name, page in pages.items():
        page.write_text(f"words\n\n{results.marked(name, 'old')}\n\nmore words\n")
    monkeypatch.setattr(results, "RESULTS", measured)
    monkeypatch.setattr(results, "QUOTES", pages)

    results.write("# Side by side\n\nnew\n", {name: f"| {name} |" for name in pages})

    assert measured.read_text().startswith("# Side by side\n\nnew\n")
    assert measured.read_text().endswith("\n\n# Another benchmark\n\nits figures\n")
    for name, page in pages.items():
        assert results.quoted(page.read_text(), name) == results.quoted(measured.read_text(), name) == f"| {name} |"
        assert page.read_text().endswith("\n\nmore words\n")
