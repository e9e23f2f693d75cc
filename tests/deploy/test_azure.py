"""The files for Azure follow its models and our own rules, and each rule finds the error that it is for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.azure_rules import app_problems, group_problems, job_problems, policy_problems
from tests.deploy.changes import GONE, put, put_variable
from tests.deploy.follows import Resource, breaches, read
from tests.deploy.schemas.azure import Models

FOLDER = Path(__file__).parents[2] / "deploy" / "azure"
POLICY = (FOLDER / "policy.xml").read_text()
Change = Callable[[Resource, Resource, Resource], None]

CONFIGURATION = ("properties", "configuration")
TEMPLATE = ("properties", "template")
CONTAINER = (*TEMPLATE, "containers", 0)
PROBES = (*CONTAINER, "probes")
FIRST = ("properties", "containers", 0, "properties")
STORE = ("properties", "containers", 2, "properties")


def resources() -> tuple[Resource, Resource, Resource]:
    """Return the app, the job that migrates, and the demo."""
    return read(FOLDER / "containerapp.yaml"), read(FOLDER / "migrate.yaml"), read(FOLDER / "demo.yaml")


def problems(app: Resource, job: Resource, demo: Resource) -> list[str]:
    """Return the breaches of our own rules."""
    return [*app_problems(app), *job_problems(job, app), *group_problems(demo)]


def unknown(app: Resource, job: Resource, demo: Resource) -> list[str]:
    """Return what Azure would not know."""
    found = [*breaches(app, "container_apps", "ContainerApp"), *breaches(job, "container_apps", "Job")]
    return [*found, *breaches(demo, "container_instances", "ContainerGroup")]


def in_app(*path: Any, value: Any = GONE) -> Change:
    """Change the app."""
    return lambda app, _, __: put(app, path, value)


def in_job(*path: Any, value: Any = GONE) -> Change:
    """Change the job."""
    return lambda _, job, __: put(job, path, value)


def in_demo(*path: Any, value: Any = GONE) -> Change:
    """Change the demo."""
    return lambda _, __, demo: put(demo, path, value)


def app_variable(name: str, value: str | None) -> Change:
    """Set or remove a variable of the app."""
    return lambda app, _, __: put_variable(app["properties"]["template"]["containers"][0]["env"], name, value)


def demo_variable(name: str, value: str | None) -> Change:
    """Set or remove a variable of the demo's gateway."""

    def change(_: Resource, __: Resource, demo: Resource) -> None:
        gateway = demo["properties"]["containers"][0]["properties"]
        put_variable(gateway["environmentVariables"], name, value)

    return change


def test_the_files_follow_the_models_and_keep_every_rule() -> None:
    assert unknown(*resources()) == []
    assert problems(*resources()) == []
    assert policy_problems(POLICY) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (in_app(*TEMPLATE, "scale", "minReplicas", value=0), "scales to zero"),
        (in_app(*TEMPLATE, "scale", "minReplicas"), "scales to zero"),
        (in_app(*TEMPLATE, "scale", "maxReplicas", value=4), "up to 40 connections; 35"),
        (in_app(*TEMPLATE, "scale", "maxReplicas"), "up to 100 connections"),
        (in_app(*TEMPLATE, "scale", "rules"), "is scaled at ten requests at once"),
        (app_variable("TIDEGATE_DATABASE__POOL_SIZE", "20"), "up to 60 connections"),
        (in_app(*TEMPLATE, "terminationGracePeriodSeconds"), "killed after 30 s, within its grace of 280 s"),
        (in_app(*TEMPLATE, "terminationGracePeriodSeconds", value=7200), "3600 are allowed"),
        (app_variable("TIDEGATE_SERVER__GRACE_SECONDS", "300"), "killed after 300 s, within its grace"),
        (app_variable("TIDEGATE_SERVER__GRACE_SECONDS", None), "the grace is not set"),
        (app_variable("TIDEGATE_SERVER__GRACE", "8"), "does not start: "),
        (app_variable("TIDEGATE_AUTH__ADMIN_KEY", None), "no way to the first key"),
        (app_variable("TIDEGATE_AUTH__ADMIN_KEY", "file:/run/admin_key"), "where nothing is mounted"),
        (app_variable("TIDEGATE_REDIS_URL", "rediss://x.redis.azure.net:10000"), "TIDEGATE_REDIS_URL is not a secret"),
        (app_variable("OPENAI_API_KEY", "sk-123"), "has a secret in OPENAI_API_KEY"),
        (in_app(*CONFIGURATION, "ingress", "allowInsecure"), "answers without TLS"),
        (in_app(*CONFIGURATION, "ingress", "targetPort", value=80), "is called on port 80, not 8080"),
        (in_app(*CONFIGURATION, "ingress", "transport"), "leaves the protocol to a guess"),
        (in_app(*CONFIGURATION, "activeRevisionsMode", value="Multiple"), "keeps old revisions in use"),
        (in_app(*CONFIGURATION, "secrets", 0, "value", value="x"), "database-url stands in the file"),
        (in_app(*CONFIGURATION, "secrets", 0, "keyVaultUrl"), "database-url is not in Key Vault"),
        (in_app(*CONFIGURATION, "secrets", 0, "identity"), "no identity may read the secret database-url"),
        (in_app(*CONFIGURATION, "secrets", 3), "and uses ['admin-key'"),
        (in_app(*CONTAINER, "image", value="tidegate:latest"), "has no version"),
        (in_app(*PROBES, value=[]), "has no startup probe"),
        (in_app(*PROBES, 1), "has no readiness probe"),
        (in_app(*PROBES, 1, "httpGet", "path", value="/livez"), "asks /livez, not /readyz"),
        (in_app(*PROBES, 2, "httpGet", "path", value="/readyz"), "asks /readyz, not /livez"),
        (in_app(*PROBES, 1, "httpGet", "port", value=80), "asks port 80, not 8080"),
        (in_app(*PROBES, 2, "periodSeconds", value=5), "is restarted after 15 s"),
        (in_job(*CONTAINER, "args"), "does not migrate"),
        (in_job(*CONTAINER, "image", value="tidegate:0.2.0"), "migrates with another image"),
        (in_job(*CONFIGURATION, "triggerType", value="Schedule"), "migrates by itself"),
        (in_demo("properties", "ipAddress", "ports", 0, "port", value=5432), "publishes [5432]"),
        (in_demo(*STORE, "ports", value=[{"port": 5432}]), "postgres: opens a port"),
        (in_demo(*STORE, "image", value="postgres"), "postgres: the image has no version"),
        (in_demo("properties", "restartPolicy", value="Always"), "starts the migration again"),
        (in_demo(*FIRST, "livenessProbe", "httpGet", "path", value="/readyz"), "asks /readyz, not /livez"),
        (in_demo(*FIRST, "image", value="tidegate:0.2.0"), "migrates with another image"),
        (demo_variable("TIDEGATE_SERVER__GRACE_SECONDS", "30"), "killed after 30 s, within its grace"),
        (demo_variable("OPENAI_API_KEY", "sk-123"), "has a secret in OPENAI_API_KEY"),
    ],
)
def test_a_planted_error_is_found(change: Change, problem: str) -> None:
    changed = resources()
    change(*changed)
    found = problems(*changed)
    assert any(problem in one for one in found), found


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        (in_app(*TEMPLATE, "terminationGraceSeconds", value=300), "terminationGraceSeconds"),
        (in_app(*PROBES, 0, "type", value="Started"), "'Started' is not one of"),
        (in_app(*PROBES, 0, "httpGet", "port"), "'port' is a required property"),
        (in_app(*CONFIGURATION, "ingress", "transport", value="h2"), "'h2' is not one of"),
        (in_app(*TEMPLATE, "volumes", 0, "storageType", value="Secrets"), "'Secrets' is not one of"),
        (in_app("identity", "type", value="User"), "'User' is not one of"),
        (in_app(*CONTAINER, "resources", "memory", value=1), "1 is not of type 'string'"),
        (in_job(*CONFIGURATION, "replicaTimeout"), "'replicaTimeout' is a required property"),
        (in_job("type", value="Microsoft.App/job"), "'Microsoft.App/jobs' was expected"),
        (in_demo("properties", "osType", value="Linuks"), "'Linuks' is not one of"),
        (in_demo("properties", "ipAddress", "type", value="public"), "'public' is not one of"),
        (in_demo(*FIRST, "livenessProbe", "httpGet", "scheme", value="HTTP"), "'HTTP' is not one of"),
        (in_demo(*FIRST, "startupProbe", value={}), "startupProbe"),
        (in_demo(*FIRST, "resources"), "'resources' is a required property"),
        (in_demo(*FIRST, "environmentVariables", 0, "name"), "'name' is a required property"),
    ],
)
def test_the_models_find_what_azure_does_not_know(change: Change, breach: str) -> None:
    changed = resources()
    change(*changed)
    found = unknown(*changed)
    assert any(breach in one for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('buffer-response="false"', 'buffer-response="true"', "buffer-response is not false"),
        (' buffer-response="false"', "", "buffer-response is not false"),
        ('timeout="240"', 'timeout="600"', "waits 600 s for an answer"),
        (' timeout="240"', "", "waits 300 s for an answer"),
        ("<forward-request", "<forward-requests", "forwards no request"),
        ("<outbound>", '<outbound><cache-store duration="60" />', "<cache-store> holds answers back"),
        ("<inbound>", '<inbound><validate-content unspecified-content-type-action="ignore" />', "<validate-content>"),
        ("<outbound>\n    <base />", "<outbound>", "leaves out what stands above in <outbound>"),
    ],
)
def test_a_policy_that_does_not_stream_is_found(old: str, new: str, problem: str) -> None:
    assert old in POLICY
    found = policy_problems(POLICY.replace(old, new))
    assert any(problem in one for one in found), found


OLDER = '''
class Group(Resource, GroupProperties):
    """A group.

    :ivar os_type: The system. Required.
    :vartype os_type: str or
     ~azure.models.Systems
    """

    _validation = {"id": {"readonly": True}, "os_type": {"required": True}}
    _attribute_map = {
        "id": {"key": "id", "type": "str"},
        "os_type": {"key": "properties.osType", "type": "str"},
        "parts": {"key": "properties.parts", "type": "[Part]"},
        "tags": {"key": "tags", "type": "{str}"},
    }

class Part(_serialization.Model):
    _attribute_map = {"size": {"key": "size", "type": "int"}}
'''
NEWER = """
class Group(Resource):
    os_type: Union[str, "_models.Systems"] = rest_field(name="osType", visibility=["read", "create"])
    state: Optional[str] = rest_field(visibility=["read"])
    parts: Optional[list["_models.Part"]] = rest_field(visibility=["read", "create"])
    tags: Optional[dict[str, str]] = rest_field(visibility=["read", "create"])

class Part(_Model):
    size: Optional[int] = rest_field(visibility=["read", "create"])
"""
ENUMS = '''
class Systems(str, Enum, metaclass=CaseInsensitiveEnumMeta):
    """Systems."""

    LINUX = "Linux"
    """Linux."""
    WINDOWS = "Windows"
'''


@pytest.mark.parametrize(("source", "inner"), [(OLDER, True), (NEWER, False)], ids=["older", "newer"])
def test_the_schema_is_made_of_the_models(source: str, inner: bool) -> None:
    definitions = Models(source, ENUMS).schema(package="p", roots={"Group": "Group/x"})["$defs"]
    group = definitions["Group"]
    assert {"id", "state"} & set(group["properties"]) == set()
    owner = group["properties"]["properties"] if inner else group
    assert owner["properties"]["osType"] == {"enum": ["Linux", "Windows"]}
    assert "osType" in owner["required"]
    assert owner["properties"]["parts"] == {"type": "array", "items": {"$ref": "#/$defs/Part"}}
    assert group["properties"]["tags"] == {"type": "object", "additionalProperties": {"type": "string"}}
    assert group["properties"]["type"] == {"const": "Group/x"}
    assert definitions["Part"]["properties"] == {"size": {"type": "integer"}}
