"""The names are those of the official package of semantic conventions."""

import msgspec
import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, http_attributes
from opentelemetry.semconv.metrics import http_metrics

from tests.monitoring.call_reports import REPORT, report
from tidegate.core import endpoints
from tidegate.core.call_report import CallReport
from tidegate.monitoring.otlp import conventions
from tidegate.monitoring.otlp.conventions import Providers

OFFICIAL = {
    value
    for module in (gen_ai_attributes, gen_ai_metrics, error_attributes, http_attributes, http_metrics)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}


def unofficial(names: set[str]) -> set[str]:
    """Return the names that are neither official nor the project's own."""
    return {name for name in names if name not in OFFICIAL and not name.startswith("tidegate.")}


def names_of(each: CallReport) -> set[str]:
    providers = Providers({})
    return {
        *conventions.server_attributes(each),
        *conventions.inference_attributes(each, providers),
        *conventions.inference_labels(each, providers, "other"),
        *conventions.server_labels(each),
    }


def test_each_name_is_official() -> None:
    declared = {value for name, value in vars(conventions).items() if name.isupper() and isinstance(value, str)}
    assert unofficial(declared) == set()
    assert unofficial(names_of(REPORT) | names_of(report(outcome="server_error"))) == set()


def test_a_planted_name_is_found() -> None:
    assert unofficial({"gen_ai.usage.prompt_words", "gen_ai.usage.input_tokens"}) == {"gen_ai.usage.prompt_words"}


@pytest.mark.parametrize(
    ("provider", "name"),
    [("openai", "openai"), ("east", "azure.ai.openai"), ("local", "local"), (None, "_OTHER")],
)
def test_providers_have_the_conventions_names(provider: str | None, name: str) -> None:
    assert Providers({"openai": "openai", "east": "azure", "local": "openai_compatible"}).name(provider) == name


def test_each_endpoint_has_a_path_and_an_operation() -> None:
    for endpoint in endpoints.BY_PATH.values():
        each = msgspec.structs.replace(REPORT, entry=msgspec.structs.replace(REPORT.entry, route=endpoint.label))
        assert conventions.server_name(each).startswith("POST /v1/")
        assert conventions.operation_of(each)


def test_no_attribute_holds_words_of_the_upstream_or_the_end_user() -> None:
    entry = msgspec.structs.replace(REPORT.entry, end_user="canary-user", tags={"customer": "canary-tag"})
    each = msgspec.structs.replace(REPORT, entry=entry, error_text="canary-prompt", key_last_four="canary-key")
    shown = {**conventions.server_attributes(each), **conventions.inference_attributes(each, Providers({}))}
    assert "canary" not in repr(shown)
