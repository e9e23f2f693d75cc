"""The documents name every error, inference route and translated parameter; their links lead somewhere."""

import re
from pathlib import Path

import pytest

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import TidegateError
from tidegate.web import envelope
from tidegate.wire.translate import messages, request

ROOT = Path(__file__).parent.parent


def _words(name: str) -> set[str]:
    return set(re.findall(r"`([^`\s]+)`", (ROOT / name).read_text()))


def _error_classes(kind: type[TidegateError] = TidegateError) -> list[type[TidegateError]]:
    subclasses = [one for one in kind.__subclasses__() if one.__module__.startswith("tidegate.core.")]
    return [kind, *(found for one in subclasses for found in _error_classes(one))]


def _error_rows() -> dict[str, tuple[str, str, str]]:
    """Each row of the reference by the error's name: its code, status and retry."""
    lines = (ROOT / "docs/reference/errors.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    cells = [row for row in cells if len(row) == 6]
    rows = {name.strip("`"): (code.strip("`"), status, retry) for name, code, status, retry, _, _ in cells}
    assert len(rows) == len(cells), "no error has two rows"
    return rows


def test_the_reference_has_every_error_and_no_other() -> None:
    assert sorted(_error_rows()) == sorted(kind.name for kind in _error_classes())


@pytest.mark.parametrize("kind", _error_classes())
def test_the_reference_has_each_errors_code_status_and_retry(kind: type[TidegateError]) -> None:
    code, status, retry = _error_rows()[kind.name]
    assert code == (kind.code or "the upstream's")
    assert status in (str(envelope.status_of(kind())), "none")
    assert retry == ("yes" if kind.retryable else "no")


def test_the_translation_guide_names_all_that_has_another_form_in_chat_or_none() -> None:
    decided = (
        request.REBUILT_PARAMETERS
        | request.GATEWAY_PARAMETERS
        | request.IGNORED_PARAMETERS
        | request.UNTRANSLATABLE_PARAMETERS
        | set(request.RENAMED_PARAMETERS)
    )
    named = {name.split(".")[0] for name in _words("docs/guides/translation.md")}
    assert decided - named == set()
    assert messages.DROPPED_ITEMS - named == set()


@pytest.mark.parametrize("route", list(endpoints.ALL))
def test_every_inference_route_is_in_the_reference(route: Endpoint) -> None:
    assert route.path in (ROOT / "docs/reference/http-api.md").read_text()


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")]
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
