"""Metrics show the configured models, and so few others that callers cannot fill a page with names of their own."""

from tidegate.monitoring.metrics.model_names import NONE, OTHER, ModelNames


def test_a_configured_model_has_a_label_whether_or_not_it_answered() -> None:
    names = ModelNames({"gpt-4o"}, max_listed=0)
    assert [names.label("gpt-4o", answered=answered) for answered in (True, False)] == ["gpt-4o", "gpt-4o"]


def test_a_listed_model_has_a_label_once_an_upstream_answered() -> None:
    names = ModelNames(set(), {"gpt-4.1"}, max_listed=1)
    assert names.label("gpt-4.1", answered=False) == OTHER
    assert names.label("gpt-4.1", answered=True) == "gpt-4.1"
    assert names.label("gpt-4.1", answered=False) == "gpt-4.1"


def test_only_so_many_listed_ones_have_one() -> None:
    listed = [f"listed-{number}" for number in range(1000)]
    names = ModelNames(set(), listed, max_listed=2)
    assert {names.label(model, answered=True) for model in listed} == {"listed-0", "listed-1", OTHER}


def test_an_invented_name_and_no_name_have_none_of_their_own() -> None:
    names = ModelNames(set(), max_listed=2)
    assert names.label("invented", answered=True) == OTHER
    assert names.label("", answered=False) == NONE
