"""The page's files are few, small and without any way for a text to become markup or code."""

import re

import pytest

from tests.browser.stand_in import FILES

NAMES = sorted(str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file())
TEXTS = {name: (FILES / name).read_text() for name in NAMES}
SCRIPTS = [name for name in NAMES if name.endswith(".js")]
MOST_BYTES = 150_000
SINKS = re.compile(
    r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|setHTML\w*|createContextualFragment|DOMParser|srcdoc|eval|importScripts|"
    r"document\.write\w*|execCommand)\b|\bnew Function\b|set(?:Timeout|Interval)\(\s*[\"'`]"
)


def test_all_files_together_are_small() -> None:
    assert sum(len(text.encode()) for text in TEXTS.values()) <= MOST_BYTES


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_of_a_text(name: str) -> None:
    assert SINKS.findall(TEXTS[name]) == []


@pytest.mark.parametrize(
    "text", ["x.innerHTML = y", "eval(x)", "setTimeout('x()')", "document.writeln(x)", "new Function(x)"]
)
def test_a_script_that_did_would_be_found(text: str) -> None:
    assert SINKS.search(text)


def test_the_page_has_no_inline_script_or_style() -> None:
    page = TEXTS["index.html"]
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", page) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_another_host(name: str) -> None:
    text = TEXTS[name].replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:|wss?:)?//[\w-]+\.\w+|@import|\burl\(", text) == []


def test_every_file_is_used() -> None:
    linked = set(re.findall(r"dashboard/files/([\w./]+)", " ".join(TEXTS.values())))
    for name in SCRIPTS:
        for target in re.findall(r'from "(\.[\w./]+)"', TEXTS[name]):
            linked.add(str((FILES / name).parent.joinpath(target).resolve().relative_to(FILES)))
    assert linked | {"index.html"} == set(NAMES)


def test_no_script_is_longer_than_other_sources_may_be() -> None:
    assert [name for name, text in TEXTS.items() if text.count("\n") > 400] == []
