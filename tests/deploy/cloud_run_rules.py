"""What the files of Cloud Run keep, beyond Google's schema: each rule yields a sentence for each breach."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.deploy.container_rules import Container, Probe, container_problems, gateway_problems, most_connections
from tidegate.core.config.platform import CLOUD_RUN

Resource = Mapping[str, Any]

MOST_CONNECTIONS = 47
"""Of the smallest Cloud SQL that the guide names: 50, of which PostgreSQL keeps three."""
_LONGEST = 3600
"""The most seconds that Cloud Run lets a request take."""
_MOST_AT_ONCE = 1000
_MIB = {"Mi": 1, "Gi": 1024}
_LEAST_MIB = 512


def service_problems(service: Resource) -> list[str]:
    """Return the breaches of the service."""
    template = service["spec"]["template"]
    annotations, spec = template["metadata"]["annotations"], template["spec"]
    gateway = _container(spec)
    found = [*gateway_problems(gateway), *_cpu(annotations), *_requests(spec), *_network(annotations)]
    found += [*_secrets(spec), *_connections(annotations, gateway), *_memory(spec)]
    if service["metadata"].get("annotations", {}).get("run.googleapis.com/invoker-iam-disabled") != "true":
        found.append("Google's check of Authorization refuses Tidegate's keys")
    return found


def job_problems(job: Resource, service: Resource) -> list[str]:
    """Return the breaches of the job that migrates before the service."""
    execution = job["spec"]["template"]
    spec = execution["spec"]["template"]["spec"]
    container = _container(spec)
    found = [*container_problems(container), *_network(execution["metadata"]["annotations"]), *_secrets(spec)]
    if spec["containers"][0].get("args") != ["migrate"]:
        found.append("does not migrate")
    if container.image != service["spec"]["template"]["spec"]["containers"][0]["image"]:
        found.append("migrates with another image than the one that serves")
    if execution["spec"].get("taskCount", 1) != 1:
        found.append("migrates more than once")
    return found


def _container(spec: Resource) -> Container:
    """Return the only container."""
    (container,) = spec["containers"]
    variables = container.get("env", [])
    (port,) = [port["containerPort"] for port in container.get("ports", [])] or [None]
    probes = {kind: _probe(container[f"{kind}Probe"]) for kind in _KINDS if f"{kind}Probe" in container}
    return Container(
        image=container["image"],
        port=port,
        variables={one["name"]: str(one["value"]) for one in variables if "value" in one},
        secrets=frozenset(one["name"] for one in variables if "valueFrom" in one),
        folders=frozenset(mount["mountPath"] for mount in container.get("volumeMounts", [])),
        probes=probes,
        stop_seconds=CLOUD_RUN.stop_seconds,
    )


_KINDS = ("startup", "readiness", "liveness")


def _probe(probe: Resource) -> Probe:
    asked = probe.get("httpGet", {})
    return Probe(
        path=asked.get("path"),
        port=asked.get("port"),
        period=probe.get("periodSeconds", 10),
        timeout=probe.get("timeoutSeconds", 1),
        failures=probe.get("failureThreshold", 3),
    )


def _cpu(annotations: Resource) -> Iterator[str]:
    """Between requests, jobs go on and the ledger leaves Redis (docs/decisions/0061)."""
    if annotations.get("run.googleapis.com/cpu-throttling") != "false":
        yield "has no CPU between requests"
    if int(annotations.get("autoscaling.knative.dev/minScale", "0")) < 1:
        yield "scales to zero: background responses and the ledger would wait for the next request"
    if annotations.get("run.googleapis.com/execution-environment") != "gen2":
        yield "does not name its execution environment"


def _requests(spec: Resource) -> Iterator[str]:
    if spec.get("timeoutSeconds") != _LONGEST:
        yield f"cuts answers off after {spec.get('timeoutSeconds', 300)} s, not {_LONGEST}"
    if not 80 <= spec.get("containerConcurrency", 80) <= _MOST_AT_ONCE:
        yield f"takes {spec['containerConcurrency']} requests at once; 80 to {_MOST_AT_ONCE} are sensible"


def _network(annotations: Resource) -> Iterator[str]:
    try:
        interfaces = json.loads(annotations.get("run.googleapis.com/network-interfaces", "[]"))
    except json.JSONDecodeError:
        interfaces = []
    if not interfaces or not all({"network", "subnetwork"} <= set(one) for one in interfaces):
        yield "reaches no private address: it has no network"
    if annotations.get("run.googleapis.com/vpc-access-egress") != "private-ranges-only":
        yield "sends calls to the upstream through the private network"


def _secrets(spec: Resource) -> Iterator[str]:
    for variable in spec["containers"][0].get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference is not None and not str(reference.get("key", "")).isdecimal():
            yield f"{variable['name']} changes with the next instance: its version is not fixed"
    mounts = [mount["name"] for mount in spec["containers"][0].get("volumeMounts", [])]
    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    if sorted(mounts) != sorted(volumes):
        yield f"mounts {sorted(mounts)}, and has {sorted(volumes)}"
    for name, volume in volumes.items():
        if len(volume.get("secret", {}).get("items", [])) != 1:
            yield f"the volume {name} does not hold one secret"


def _connections(annotations: Resource, gateway: Container) -> Iterator[str]:
    connections = most_connections(gateway, int(annotations.get("autoscaling.knative.dev/maxScale", "100")))
    if connections > MOST_CONNECTIONS:
        yield f"opens up to {connections} connections; {MOST_CONNECTIONS} are there"


def _memory(spec: Resource) -> Iterator[str]:
    limit = str(spec["containers"][0].get("resources", {}).get("limits", {}).get("memory", "512Mi"))
    if int(limit[:-2]) * _MIB[limit[-2:]] <= _LEAST_MIB:
        yield f"has {limit} of memory, which bodies and answers alone may take"
