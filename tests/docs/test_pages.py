"""The reference names every command, key, route and header; the index names every page and decision."""

import re
from pathlib import Path

import pytest

from tests.docs import cli_page, configuration_page
from tests.shape.prose import long_sentences, riddles

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
USER_PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")] + [
    page for folder in ("start", "guides", "reference", "internals") for page in ROOT.glob(f"docs/{folder}/*.md")
]


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert cli_page.PAGE.read_text() == cli_page.cli_page(), "run `make reference` and commit the page"


def test_the_page_of_configuration_keys_is_what_their_classes_say() -> None:
    page = configuration_page.configuration_page()
    assert configuration_page.PAGE.read_text() == page, "run `make reference` and commit the page"


def test_every_header_of_the_code_is_on_the_page_of_headers() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tidegate").rglob("*.py") if "simulator" not in path.parts)
    named = set(re.findall(r"\"(x-tidegate-[a-z-]+|x-should-retry|x-request-id|retry-after[a-z-]*)\"", code))
    assert len(named) > 8
    page = (REFERENCE / "headers.md").read_text()
    assert {name for name in named if f"`{name}`" not in page} == set()


def test_every_header_of_the_page_of_headers_is_in_the_code() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tidegate").rglob("*.py"))
    page = (REFERENCE / "headers.md").read_text()
    named = set(re.findall(r"`(x-tidegate-[a-z-]+)`", page))
    assert {name for name in named if f'"{name}"' not in code} == set()


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/*/*.md")]
    missing = [page for page in pages if not page.startswith("decisions/") and f"({page})" not in index]
    assert missing == []


def test_the_index_of_decisions_leads_to_every_decision_under_its_title() -> None:
    index = (ROOT / "docs" / "internals" / "decisions.md").read_text()
    for page in sorted(ROOT.glob("docs/decisions/*.md")):
        number, title = page.read_text().splitlines()[0].removeprefix("# ").split(": ", 1)
        assert f"- [{number}](../decisions/{page.name}): {title}\n" in index


def test_every_place_and_name_where_contributors_start_is_there() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where to start")[2].partition("\n## ")[0]
    named = {name for row in table.splitlines() if row.startswith("|") for name in re.findall(r"`([^` ]+)`", row)} - {
        "__init__.py"
    }
    paths = {name for name in named if "/" in name or name.endswith(".md")}
    assert len(paths) > 30
    assert {path for path in paths if not (ROOT / "tidegate" / path).exists() and not (ROOT / path).exists()} == set()
    code = "".join(path.read_text() for path in (ROOT / "tidegate").rglob("*.py"))
    assert {name for name in named - paths if name not in code} == set()


@pytest.mark.parametrize("page", USER_PAGES, ids=lambda page: page.name)
def test_the_documents_have_short_sentences_and_no_riddles(page: Path) -> None:
    assert [*long_sentences(page.read_text()), *riddles(page.read_text())] == []
