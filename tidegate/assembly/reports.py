"""What observes the calls of a process, and how they are reported to it."""

import os
import sys
from pathlib import Path
from random import SystemRandom

from tidegate.assembly.base import Base, model_labels
from tidegate.core.config import ConfigError, Settings
from tidegate.core.config.platform import detected_platform
from tidegate.core.config.sections.tracing import check_collector_address
from tidegate.core.ids import new_id
from tidegate.core.process.line_writer import LineWriter
from tidegate.core.trace.context import TraceContexts
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.ledger.refused import RefusedCalls
from tidegate.monitoring.call_log.call_log import CallLog
from tidegate.monitoring.call_log.shapes import detected_shape, shaper
from tidegate.monitoring.otlp.conventions import Providers
from tidegate.monitoring.otlp.export import OtlpExport, Sender
from tidegate.pipeline.call_record import CallReporter
from tidegate.web.envelope import status_of


async def add_call_records(base: Base, ledger: Ledger) -> None:
    """Let the collector, the call log and the ledger of refused calls observe the calls, as the configuration wants."""
    await start_tracing(base)
    if base.settings.call_log.level != "off":
        base.call_observers.append(await base.start(_call_log(base)))
    if base.settings.metering.record_refused:
        refused = await base.start(RefusedCalls(ledger, base.clock, new_id))
        base.call_observers.append(refused)
        help_text = "Entries of refused calls that were not written, because there were too many at once."
        base.counters.add_gauge("ledger_refused_dropped", help_text, lambda: refused.dropped)


def _call_log(base: Base) -> CallLog:
    config, writer = base.settings.call_log, LineWriter()
    shape = config.shape
    if shape == "auto":
        shape = detected_shape(detected_platform(os.environ, Path("/")), is_terminal=sys.stdout.isatty())
    project = config.google_project or os.environ.get("GOOGLE_CLOUD_PROJECT")
    help_text = "Lines of calls that were not written, because standard output took none."
    base.counters.add_gauge("call_log_dropped", help_text, lambda: writer.dropped)
    shape_line = shaper(shape, namespace=config.namespace, google_project=project)
    return CallLog(config, shape_line, writer, clock=base.clock, random=SystemRandom())


def make_reporter(base: Base) -> CallReporter | None:
    """Return what reports calls to the observers of `base`; None where there are none, so that calls cost no more."""
    if not base.call_observers:
        return None
    return CallReporter(base.call_observers, base.clock, status_of, trace_contexts(base.settings))


async def start_tracing(base: Base) -> None:
    """Send the calls of this process to the collector, if one is configured.

    Raises ConfigError where OpenTelemetry is not installed, or the collector's address cannot be used.
    """
    config = base.settings.tracing
    if config.endpoint is not None:
        sender = _make_sender(base.settings, base.process)
        export = OtlpExport(
            sender,
            interval_seconds=config.interval_seconds,
            max_queued_calls=config.max_queued_calls,
            on_event=base.counters.count_event,
        )
        base.call_observers.append(await base.start(export))


def trace_contexts(settings: Settings) -> TraceContexts | None:
    """Return what gives calls their trace context; None where no traces are sent."""
    config = settings.tracing
    if config.endpoint is None or not config.traces:
        return None
    return TraceContexts(SystemRandom().getrandbits, sample_ratio=config.sample_ratio)


def _make_sender(settings: Settings, process: str) -> Sender:
    try:
        from tidegate.monitoring.otlp.sender import Collector, OtlpSender  # noqa: PLC0415  # only where it is used
    except ImportError as error:
        raise ConfigError(
            "The setting tracing.endpoint names a collector, but OpenTelemetry is not installed. Install the extra "
            "`tidegate[otel]`, or remove the setting."
        ) from error
    config = settings.tracing
    assert config.endpoint is not None  # noqa: S101  # the caller looked
    address = config.endpoint.get_secret_value()
    try:
        check_collector_address(address)  # it may have come from a secret's place
    except ValueError as error:
        raise ConfigError(f"The setting tracing.endpoint cannot be used: {error}.") from error
    collector = Collector(
        endpoint=address,
        headers={name: value.get_secret_value() for name, value in config.headers.items()},
        traces=config.traces,
        metrics=config.metrics,
        timeout_seconds=config.timeout_seconds,
        service_name=config.service_name,
        process=process,
    )
    kinds = {name: provider.kind for name, provider in settings.all_providers.items()}
    return OtlpSender(collector, Providers(kinds), model_labels(settings))
