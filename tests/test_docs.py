"""The guide names what there is: every setting, every error, every command, every route."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from tidegate.core import endpoints
from tidegate.core.config import Settings
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import TidegateError
from tidegate.wire.translate import messages, request

ROOT = Path(__file__).parent.parent
ABSTRACT = {"bad_request", "upstream", "timeout", "store", "not_stored"}
"""Errors that others are kinds of; nobody meets them."""


def _words(name: str) -> set[str]:
    return set(re.findall(r"`([^`\s]+)`", (ROOT / name).read_text()))


def _settings(model: type[BaseModel]) -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_model(kind)]
        names |= set[str]().union(*(_settings(kind) for kind in inner)) if inner else {name}
    return names


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _errors(kind: type[TidegateError]) -> set[str]:
    below = (one for one in kind.__subclasses__() if one.__module__.startswith("tidegate.core."))
    return {kind.name}.union(*(_errors(one) for one in below))


def test_every_setting_is_in_the_guide() -> None:
    assert _settings(Settings) - {"database_url", "redis_url"} - _words("docs/reference/configuration.md") == set()


def test_every_error_is_in_the_guide() -> None:
    assert _errors(TidegateError) - ABSTRACT - _words("docs/reference/errors.md") == set()


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
def test_every_inference_route_is_in_the_readme(route: Endpoint) -> None:
    assert route.path in (ROOT / "README.md").read_text()


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
