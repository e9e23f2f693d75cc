"""What the files for Azure keep, beyond the models of its clients: each rule yields a sentence for each breach."""

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from tests.deploy.container_rules import Container, Probe, container_problems, gateway_problems, most_connections

Resource = Mapping[str, Any]

MOST_CONNECTIONS = 35
"""Of the smallest flexible server that the guide names, for users."""
_LONGEST_GRACE = 3600
_INSTANCES_STOP_SECONDS = 30
"""For which Container Instances wait between SIGTERM and SIGKILL."""
_SILENT_SECONDS = 240
"""After which Azure's load balancers drop a connection."""
_BUFFERING = ("validate-content", "cache-lookup", "cache-store", "set-body", "find-and-replace", "log-to-eventhub")
"""Policies that hold an answer back, or read it."""


def app_problems(app: Resource) -> list[str]:
    """Return the breaches of the gateway on Container Apps."""
    properties = app["properties"]
    template, configuration = properties["template"], properties["configuration"]
    gateway = _app_container(template, template.get("terminationGracePeriodSeconds", 30))
    found = [*gateway_problems(gateway), *_ingress(configuration, gateway), *_scale(template, gateway)]
    found += [*_vault(app), *_references(configuration, template)]
    if not gateway.stop_seconds <= _LONGEST_GRACE:
        found.append(f"waits {gateway.stop_seconds} s at its end; {_LONGEST_GRACE} are allowed")
    return found


def job_problems(job: Resource, app: Resource) -> list[str]:
    """Return the breaches of the job that migrates before the gateway."""
    properties = job["properties"]
    container = _app_container(properties["template"], 30)
    found = [*container_problems(container), *_vault(job)]
    found += _references(properties["configuration"], properties["template"])
    if properties["template"]["containers"][0].get("args") != ["migrate"]:
        found.append("does not migrate")
    if container.image != app["properties"]["template"]["containers"][0]["image"]:
        found.append("migrates with another image than the one that serves")
    if properties["configuration"]["triggerType"] != "Manual":
        found.append("migrates by itself")
    return found


def group_problems(group: Resource) -> list[str]:
    """Return the breaches of the demo on Container Instances, whose stores have no secret and no way in."""
    properties = group["properties"]
    containers = {one["name"]: one["properties"] for one in properties["containers"]}
    gateway, migration = _instance(containers["gateway"]), _instance(containers["migrate"])
    stores = {"TIDEGATE_DATABASE_URL is not a secret", "TIDEGATE_REDIS_URL is not a secret", "has no startup probe"}
    found = [problem for problem in gateway_problems(gateway) if problem not in stores]
    found += container_problems(migration)
    published = [port["port"] for port in properties["ipAddress"]["ports"]]
    if published != [gateway.port]:
        found.append(f"publishes {published}, not the gateway alone")
    found += [f"{name}: opens a port" for name, one in containers.items() if one.get("ports") and name != "gateway"]
    found += [f"{name}: the image has no version" for name, one in containers.items() if ":" not in one["image"]]
    if properties.get("restartPolicy") != "OnFailure":
        found.append("starts the migration again and again, or nothing again")
    if migration.image != gateway.image:
        found.append("migrates with another image than the one that serves")
    return found


def policy_problems(text: str) -> list[str]:
    """Return the breaches of API Management's policy."""
    root = ET.fromstring(text)  # noqa: S314  # our own file
    found = [f"<{name}> holds answers back" for name in _BUFFERING if root.find(f".//{name}") is not None]
    found += [
        f"leaves out what stands above in <{part}>"
        for part in ("inbound", "outbound", "on-error")
        if not _inherits(root, part)
    ]
    forward = root.find("./backend/forward-request")
    if forward is None:
        return [*found, "forwards no request"]
    if forward.get("buffer-response") != "false":
        found.append("holds answers back: buffer-response is not false")
    if not 0 < int(forward.get("timeout", "300")) <= _SILENT_SECONDS:
        found.append(
            f"waits {forward.get('timeout', '300')} s for an answer; after {_SILENT_SECONDS} the connection is gone"
        )
    return found


def _inherits(root: ET.Element, part: str) -> bool:
    return root.find(f"./{part}/base") is not None


def _app_container(template: Resource, stop_seconds: int) -> Container:
    (container,) = template["containers"]
    variables = container.get("env", [])
    probes = {one["type"].lower(): _probe(one) for one in container.get("probes", [])}
    secrets = {volume["name"] for volume in template.get("volumes", []) if volume["storageType"] == "Secret"}
    mounts = container.get("volumeMounts", [])
    return Container(
        image=container["image"],
        port=probes["liveness"].port if "liveness" in probes else None,
        variables={one["name"]: str(one["value"]) for one in variables if "value" in one},
        secrets=frozenset(one["name"] for one in variables if "secretRef" in one),
        folders=frozenset(mount["mountPath"] for mount in mounts if mount["volumeName"] in secrets),
        probes=probes,
        stop_seconds=stop_seconds,
    )


def _instance(container: Resource) -> Container:
    variables = container.get("environmentVariables", [])
    probes = {
        kind: _probe(container[f"{kind}Probe"]) for kind in ("readiness", "liveness") if f"{kind}Probe" in container
    }
    ports = [port["port"] for port in container.get("ports", [])]
    return Container(
        image=container["image"],
        port=ports[0] if ports else None,
        variables={one["name"]: str(one["value"]) for one in variables if "value" in one},
        secrets=frozenset(one["name"] for one in variables if "secureValue" in one),
        folders=frozenset(mount["mountPath"] for mount in container.get("volumeMounts", [])),
        probes=probes,
        stop_seconds=_INSTANCES_STOP_SECONDS,
    )


def _probe(probe: Resource) -> Probe:
    asked = probe.get("httpGet", {})
    return Probe(
        path=asked.get("path"),
        port=asked.get("port"),
        period=probe.get("periodSeconds", 10),
        timeout=probe.get("timeoutSeconds", 1),
        failures=probe.get("failureThreshold", 3),
    )


def _ingress(configuration: Resource, gateway: Container) -> Iterator[str]:
    ingress = configuration.get("ingress", {})
    if ingress.get("allowInsecure") is not False:
        yield "answers without TLS"
    if ingress.get("targetPort") != gateway.port:
        yield f"is called on port {ingress.get('targetPort')}, not {gateway.port}"
    if ingress.get("transport") != "http":
        yield "leaves the protocol to a guess"
    if configuration.get("activeRevisionsMode") != "Single":
        yield "keeps old revisions in use"


def _scale(template: Resource, gateway: Container) -> Iterator[str]:
    scale = template.get("scale", {})
    if scale.get("minReplicas", 0) < 1:
        yield "scales to zero: background responses and the ledger would wait for the next request"
    connections = most_connections(gateway, scale.get("maxReplicas", 10))
    if connections > MOST_CONNECTIONS:
        yield f"opens up to {connections} connections; {MOST_CONNECTIONS} are there"
    if not scale.get("rules"):
        yield "is scaled at ten requests at once"


def _vault(resource: Resource) -> Iterator[str]:
    identities = resource.get("identity", {}).get("userAssignedIdentities", {})
    for secret in resource["properties"]["configuration"].get("secrets", []):
        if "value" in secret:
            yield f"the secret {secret['name']} stands in the file"
        if "vault.azure.net/secrets/" not in secret.get("keyVaultUrl", ""):
            yield f"the secret {secret['name']} is not in Key Vault"
        if secret.get("identity") not in identities:
            yield f"no identity may read the secret {secret['name']}"


def _references(configuration: Resource, template: Resource) -> Iterator[str]:
    """Each secret that is used exists, and each that exists is used."""
    given = {secret["name"] for secret in configuration.get("secrets", [])}
    used = {one["secretRef"] for one in template["containers"][0].get("env", []) if "secretRef" in one}
    for volume in template.get("volumes", []):
        used |= {item["secretRef"] for item in volume.get("secrets", [])}
    if given != used:
        yield f"has the secrets {sorted(given)}, and uses {sorted(used)}"
