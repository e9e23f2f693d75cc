"""OTLP: spans and GenAI metrics of calls, sent to an OpenTelemetry collector off the path of calls."""
