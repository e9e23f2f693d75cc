"""The files for Cloud Run keep Google's schema and our own rules, and each rule finds the error that it is for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.changes import GONE, put, put_variable
from tests.deploy.cloud_run_rules import job_problems, service_problems
from tests.deploy.follows import Resource, breaches, read
from tests.deploy.schemas.cloud_run import cloud_run_schema
from tidegate.core.config.platform import CLOUD_RUN

FOLDER = Path(__file__).parents[2] / "deploy" / "google"
Change = Callable[[Resource, Resource], None]

SERVICE = ("spec", "template")
ANNOTATIONS = (*SERVICE, "metadata", "annotations")
SPEC = (*SERVICE, "spec")
CONTAINER = (*SPEC, "containers", 0)
CPU = "run.googleapis.com/cpu-throttling"
NETWORK = "run.googleapis.com/network-interfaces"
JOB = ("spec", "template", "spec", "template", "spec", "containers", 0)


def resources() -> tuple[Resource, Resource]:
    """Return the service and the job."""
    return read(FOLDER / "service.yaml"), read(FOLDER / "migrate.yaml")


def in_service(*path: Any, value: Any = GONE) -> Change:
    """Change the service."""
    return lambda service, _: put(service, path, value)


def in_job(*path: Any, value: Any = GONE) -> Change:
    """Change the job."""
    return lambda _, job: put(job, path, value)


def variable(name: str, value: str | None) -> Change:
    """Set or remove a variable of the service."""

    def change(service: Resource, _: Resource) -> None:
        put_variable(service["spec"]["template"]["spec"]["containers"][0]["env"], name, value)

    return change


def test_the_files_keep_the_schema_and_every_rule() -> None:
    service, job = resources()
    assert breaches(service, "cloud_run", "Service") == []
    assert breaches(job, "cloud_run", "Job") == []
    assert service_problems(service) == []
    assert job_problems(job, service) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (in_service(*ANNOTATIONS, CPU, value="true"), "has no CPU between requests"),
        (in_service(*ANNOTATIONS, CPU), "has no CPU between requests"),
        (in_service(*ANNOTATIONS, "autoscaling.knative.dev/minScale", value="0"), "scales to zero"),
        (in_service(*ANNOTATIONS, "autoscaling.knative.dev/minScale"), "scales to zero"),
        (in_service(*ANNOTATIONS, "autoscaling.knative.dev/maxScale", value="5"), "up to 50 connections; 47"),
        (in_service(*ANNOTATIONS, "autoscaling.knative.dev/maxScale"), "up to 1000 connections"),
        (variable("TIDEGATE_DATABASE__POOL_SIZE", "20"), "up to 80 connections"),
        (variable("TIDEGATE_SERVER__WORKERS", "2"), "up to 80 connections"),
        (in_service(*ANNOTATIONS, "run.googleapis.com/execution-environment"), "does not name its execution"),
        (in_service(*ANNOTATIONS, NETWORK), "it has no network"),
        (in_service(*ANNOTATIONS, NETWORK, value="default"), "it has no network"),
        (in_service(*ANNOTATIONS, NETWORK, value='[{"network": "default"}]'), "it has no network"),
        (in_service(*ANNOTATIONS, "run.googleapis.com/vpc-access-egress", value="all-traffic"), "upstream through"),
        (in_service("metadata", "annotations"), "Google's check of Authorization"),
        (in_service(*SPEC, "timeoutSeconds"), "cuts answers off after 300 s"),
        (in_service(*SPEC, "timeoutSeconds", value=36000), "cuts answers off after 36000 s"),
        (in_service(*SPEC, "containerConcurrency", value=1), "takes 1 requests at once"),
        (in_service(*SPEC, "containerConcurrency", value=2000), "takes 2000 requests at once"),
        (in_service(*SPEC, "volumes", value=[]), "mounts ['admin'"),
        (in_service(*SPEC, "volumes", 0, "secret", "items"), "the volume openai does not hold one secret"),
        (in_service(*CONTAINER, "image", value="tidegate:latest"), "has no version"),
        (in_service(*CONTAINER, "ports", 0, "containerPort", value=8081), "listens on 8080, and is asked on 8081"),
        (in_service(*CONTAINER, "resources", "limits", "memory", value="512Mi"), "has 512Mi of memory"),
        (in_service(*CONTAINER, "startupProbe"), "has no startup probe"),
        (in_service(*CONTAINER, "readinessProbe", "httpGet", "path", value="/livez"), "asks /livez, not /readyz"),
        (in_service(*CONTAINER, "livenessProbe", "httpGet", "path", value="/readyz"), "asks /readyz, not /livez"),
        (in_service(*CONTAINER, "livenessProbe", "httpGet", "path", value="/health/upstream"), "not /livez"),
        (in_service(*CONTAINER, "livenessProbe", "httpGet", "port", value=80), "asks port 80, not 8080"),
        (in_service(*CONTAINER, "livenessProbe", "failureThreshold", value=1), "restarted after 10 s"),
        (in_service(*CONTAINER, "readinessProbe", "timeoutSeconds", value=9), "waits longer than until the next"),
        (in_service(*CONTAINER, "volumeMounts", 0, "mountPath", value="/other"), "where nothing is mounted"),
        (variable("TIDEGATE_AUTH__ADMIN_KEY", "file:/run/secrets/admin"), "where nothing is mounted"),
        (variable("TIDEGATE_AUTH__ADMIN_KEY", None), "no way to the first key"),
        (variable("TIDEGATE_SERVER__GRACE_SECONDS", None), "the grace is not set"),
        (variable("TIDEGATE_SERVER__GRACE_SECONDS", "10"), "killed after 10 s, within its grace of 10 s"),
        (variable("TIDEGATE_SERVER__GRACE_SECOND", "8"), "does not start: "),
        (variable("TIDEGATE_REDIS_URL", "redis://10.0.0.3"), "TIDEGATE_REDIS_URL is not a secret"),
        (variable("OPENAI_API_KEY", "sk-123"), "has a secret in OPENAI_API_KEY"),
        (in_service(*CONTAINER, "env", 0, "valueFrom", "secretKeyRef", "key", value="latest"), "is not fixed"),
        (in_job(*JOB, "args", value=["serve"]), "does not migrate"),
        (in_job(*JOB, "image", value="tidegate:0.2.0"), "migrates with another image"),
        (in_job("spec", "template", "spec", "taskCount", value=3), "migrates more than once"),
        (in_job("spec", "template", "metadata", "annotations", NETWORK), "it has no network"),
        (in_job(*JOB, "env", 0, "valueFrom", "secretKeyRef", "key", value="latest"), "is not fixed"),
    ],
)
def test_a_planted_error_is_found(change: Change, problem: str) -> None:
    service, job = resources()
    change(service, job)
    found = [*service_problems(service), *job_problems(job, service)]
    assert any(problem in one for one in found), found


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        (in_service("spec", "template", "spec", "timeoutSecond", value=60), "timeoutSecond"),
        (in_service(*ANNOTATIONS, "run.googleapis.com/cpu-throtling", value="false"), "cpu-throtling"),
        (in_service("metadata", "annotations", CPU, value="false"), "cpu-throttling"),
        (in_service(*ANNOTATIONS, CPU, value=False), "False is not of type 'string'"),
        (in_service(*CONTAINER, "securityContext", value={"runAsUser": 10001}), "securityContext"),
        (in_service(*CONTAINER, "image"), "'image' is a required property"),
        (in_service(*CONTAINER, "livenessProbe", "exec", value={"command": ["true"]}), "exec"),
        (in_service(*CONTAINER, "volumeMounts", 0, "name"), "'name' is a required property"),
        (in_service(*SPEC, "timeoutSeconds", value="3600s"), "'3600s' is not of type 'integer'"),
        (in_service("kind", value="Job"), "'Service' was expected"),
        (in_job("spec", "template", "spec", "tasks", value=1), "tasks"),
        (in_job("spec", "template", "metadata", "annotations", CPU, value="false"), "cpu-throttling"),
    ],
)
def test_the_schema_finds_what_cloud_run_does_not_know(change: Change, breach: str) -> None:
    service, job = resources()
    change(service, job)
    found = [*breaches(service, "cloud_run", "Service"), *breaches(job, "cloud_run", "Job")]
    assert any(breach in one for one in found), found


def test_the_grace_is_the_one_that_the_platform_allows() -> None:
    variables = resources()[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    (grace,) = [one["value"] for one in variables if one["name"] == "TIDEGATE_SERVER__GRACE_SECONDS"]
    assert int(grace) == CLOUD_RUN.grace_seconds


def test_the_schema_is_made_of_the_discovery_document() -> None:
    annotations = "* `run.googleapis.com/ingress`: Service. * `run.googleapis.com/client-name`: All resources."
    empty: Resource = {"properties": {"metadata": {"$ref": "ObjectMeta"}}}
    document: Resource = {
        "revision": "20200101",
        "schemas": {
            "ObjectMeta": {"properties": {"annotations": {"description": annotations}, "name": {"type": "string"}}},
            "Service": {
                "properties": {
                    "metadata": {"$ref": "ObjectMeta"},
                    "template": {"$ref": "RevisionTemplate"},
                    "never": {"type": "string", "description": "Not supported by Cloud Run."},
                    "seen": {"type": "string", "readOnly": True},
                    "count": {"type": "string", "format": "int64", "description": "Required. How many."},
                }
            },
            "RevisionTemplate": empty,
            "Job": {"properties": {"template": {"$ref": "ExecutionTemplateSpec"}}},
            "ExecutionTemplateSpec": empty,
        },
    }
    definitions = cloud_run_schema(document)["$defs"]
    assert set(definitions["Service"]["properties"]) == {"apiVersion", "kind", "metadata", "template", "count"}
    assert definitions["Service"]["properties"]["count"] == {"format": "int64", "type": ["string", "integer"]}
    names = {
        kind: list(definitions[f"{kind}Meta"]["properties"]["annotations"]["properties"]) for kind in ("Service", "Job")
    }
    assert names == {
        "Service": ["run.googleapis.com/client-name", "run.googleapis.com/ingress"],
        "Job": ["run.googleapis.com/client-name"],
    }
