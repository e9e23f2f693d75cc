"""Calls are reported where something observes them; OpenTelemetry is loaded only where a collector is configured."""

import contextlib
import subprocess
import sys

import pytest

from tests.observed_calls import KeptReports
from tidegate.assembly.base import Base
from tidegate.assembly.reports import make_reporter, start_tracing, trace_contexts
from tidegate.core.clock import ManualClock
from tidegate.core.config import ConfigError, Settings
from tidegate.storage.embedded import StoreUrls

COLLECTOR = "http://127.0.0.1:4318"
LOADED = "import sys, tidegate.app; print(*sys.modules)"
EXPORTERS = {"opentelemetry.exporter", "google.protobuf", "requests", "tidegate.monitoring.otlp.sender"}


async def test_calls_that_are_not_observed_have_no_reporter(clean_stores: StoreUrls) -> None:
    stores = {"database_url": clean_stores.database_url, "redis_url": clean_stores.redis_url}
    settings = Settings.model_validate({**stores, "metrics": {"enabled": False}})
    async with contextlib.AsyncExitStack() as stack:
        base = Base(settings, ManualClock(), stack)
        assert make_reporter(base) is None
        base.call_observers.append(KeptReports())
        assert make_reporter(base) is not None


def test_the_gateway_loads_no_exporter() -> None:
    """FastAPI and redis-py load OpenTelemetry's API themselves, where it is installed."""
    printed = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    assert EXPORTERS & set(printed.stdout.split()) == set()


def test_calls_have_no_trace_without_a_collector() -> None:
    assert trace_contexts(Settings()) is None
    assert trace_contexts(Settings.model_validate({"tracing": {"endpoint": COLLECTOR, "traces": False}})) is None
    assert trace_contexts(Settings.model_validate({"tracing": {"endpoint": COLLECTOR}})) is not None


async def test_a_collector_is_an_observer_of_calls(clean_stores: StoreUrls) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for tracing, observers in (({}, 0), ({"endpoint": COLLECTOR, "timeout_seconds": 0.5}, 1)):
            base = base_with(clean_stores, stack, tracing)
            await start_tracing(base)
            assert len(base.call_observers) == observers


async def test_an_address_from_a_secret_place_is_checked_too(
    clean_stores: StoreUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        base = base_with(clean_stores, stack, {"endpoint": "env:COLLECTOR"})
        with pytest.raises(ConfigError, match=r"tracing\.endpoint cannot be used"):
            await start_tracing(base)
        monkeypatch.setitem(sys.modules, "tidegate.monitoring.otlp.sender", None)
        with pytest.raises(ConfigError, match=r"tidegate\[otel\]"):
            await start_tracing(base)


def base_with(stores: StoreUrls, stack: contextlib.AsyncExitStack, tracing: dict[str, object]) -> Base:
    urls = {"database_url": stores.database_url, "redis_url": stores.redis_url}
    settings = Settings.model_validate({**urls, "metrics": {"enabled": False}, "tracing": tracing})
    return Base(settings, ManualClock(), stack)
