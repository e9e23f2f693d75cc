"""The templates below deploy/aws keep CloudFormation's schema and our own rules; each check finds a planted error."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.deploy.aws_rules import (
    api_problems,
    app_runner_problems,
    service_problems,
    stores_problems,
    task_problems,
)
from tests.deploy.changes import GONE
from tests.deploy.cloudformation import Template, of_kind, plain_api, read
from tidegate.core.config.sections.queue import QueueConfig
from tidegate.core.config.sections.upstream import UpstreamConfig

FOLDER = Path(__file__).parents[2] / "deploy" / "aws"
TEMPLATES = ("stores.yaml", "task.yaml", "service.yaml", "apprunner.yaml")
SLOWEST_SECONDS = UpstreamConfig().total_seconds + QueueConfig().deadline_seconds
Rules = Callable[[Template], list[str]]


def idle_seconds() -> int:
    """Return the idle timeout that tune.sh gives the load balancer."""
    found = re.search(r"^IDLE_SECONDS=(\d+)$", (FOLDER / "tune.sh").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def task_rules(template: Template) -> list[str]:
    return task_problems(template, idle_seconds=idle_seconds())


def service_rules(template: Template) -> list[str]:
    return service_problems(template) + api_problems(template, slowest_seconds=SLOWEST_SECONDS)


RULES: dict[str, Rules] = {
    "stores.yaml": stores_problems,
    "task.yaml": task_rules,
    "service.yaml": service_rules,
    "apprunner.yaml": app_runner_problems,
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_keeps_every_rule(name: str) -> None:
    assert RULES[name](read(FOLDER / name)) == []


def complaints(text: str) -> dict[str, str]:
    """Return what cfn-lint says of a template, by the rule's number."""
    return {match.rule.id: f"line {match.linenumber}: {match.message}" for match in lint(text, regions=["eu-west-1"])}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_keeps_the_schema(name: str) -> None:
    assert complaints((FOLDER / name).read_text()) == {}


@pytest.mark.parametrize(
    ("name", "old", "new", "rule"),
    [
        ("service.yaml", "AVERAGE_CPU", "AVERAGE_HEAT", "E3030"),
        ("service.yaml", "HealthCheckPath", "HealthPath", "E3002"),
        ("service.yaml", "!GetAtt InfrastructureRole.Arn", "!GetAtt InfraRole.Arn", "E1010"),
        ("task.yaml", 'Cpu: "1024"', 'Cpu: "1000"', "E3047"),
        ("stores.yaml", "db.t4g.micro", "db.t4g.tiny", "E3025"),
        ("apprunner.yaml", "ImageRepositoryType: ECR", "ImageRepositoryType: DOCKER", "E3030"),
    ],
)
def test_cfn_lint_finds_what_it_is_for(name: str, old: str, new: str, rule: str) -> None:
    text = (FOLDER / name).read_text()
    assert old in text
    assert rule in complaints(text.replace(old, new))


def api_body() -> Template:
    (api,) = of_kind(read(FOLDER / "service.yaml"), "AWS::ApiGateway::RestApi").values()
    body: Template = api["Body"]
    return body


def test_the_api_follows_openapi() -> None:
    assert list(OpenAPIV30SpecValidator(plain_api(api_body())).iter_errors()) == []


def drop_parameter(body: Template) -> None:
    del body["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"]["parameters"]


def drop_description(body: Template) -> None:
    del body["paths"]["/{proxy+}"]["x-amazon-apigateway-any-method"]["responses"]["default"]["description"]


def misplace_key(body: Template) -> None:
    body["components"]["securitySchemes"]["api_key"]["in"] = "body"


@pytest.mark.parametrize("plant", [drop_parameter, drop_description, misplace_key])
def test_the_validator_finds_what_is_no_openapi(plant: Callable[[Template], None]) -> None:
    body = copy.deepcopy(api_body())
    plant(body)
    assert list(OpenAPIV30SpecValidator(plain_api(body)).iter_errors())


_METHOD = "Resources.Api.Properties.Body.paths./{proxy+}.x-amazon-apigateway-any-method"
_INTEGRATION = f"{_METHOD}.x-amazon-apigateway-integration"
_STORES = "Resources.StoresGroup.Properties.SecurityGroupIngress"
_CONTAINER = "Resources.Task.Properties.ContainerDefinitions.0"
_IMAGE = "Resources.Service.Properties.SourceConfiguration.ImageRepository.ImageConfiguration"
_VARIABLES = f"{_IMAGE}.RuntimeEnvironmentVariables"


def plant(template: Template, path: str, value: Any) -> None:
    """Set, or take away, one value of a template. An environment variable is found by its name."""
    place: Any = template
    *parents, last = path.split(".")
    for part in parents:
        if isinstance(place, list):
            place = place[int(part)] if part.isdigit() else next(entry for entry in place if entry["Name"] == part)
        else:
            place = place[part]
    if isinstance(place, list):
        if value is GONE:
            place[:] = [entry for entry in place if entry["Name"] != last]
        else:
            place.append({"Name": last, "Value": value})
    elif value is GONE:
        del place[last]
    else:
        place[last] = value


@pytest.mark.parametrize(
    ("name", "path", "value", "problem"),
    [
        ("service.yaml", f"{_INTEGRATION}.responseTransferMode", GONE, "the answer is buffered"),
        ("service.yaml", f"{_INTEGRATION}.responseTransferMode", "STREAMED", "above 29000, which its mode allows"),
        ("service.yaml", f"{_INTEGRATION}.timeoutInMillis", 9_000_000, "above 900000, which its mode allows"),
        ("service.yaml", f"{_INTEGRATION}.timeoutInMillis", 600_000, "ends calls that the gateway still waits for"),
        ("service.yaml", f"{_INTEGRATION}.timeoutInMillis", GONE, "ends calls that the gateway still waits for"),
        ("service.yaml", f"{_INTEGRATION}.type", "http", "the type http does not stream"),
        ("service.yaml", f"{_INTEGRATION}.connectionType", "INTERNET", "not reached through a private link"),
        ("service.yaml", f"{_INTEGRATION}.connectionId", GONE, "not reached through a private link"),
        ("service.yaml", f"{_INTEGRATION}.integrationTarget", GONE, "the private link has no target"),
        ("service.yaml", f"{_INTEGRATION}.uri", {"Fn::Sub": "https://x/{proxy}"}, "path of the gateway is not /v1"),
        ("service.yaml", f"{_METHOD}.security", [], "is open to callers without a key"),
        ("service.yaml", "Resources.Api.Properties.EndpointConfiguration.Types", ["EDGE"], "the API is not regional"),
        ("service.yaml", "Resources.Api.Properties.ApiKeySourceType", "AUTHORIZER", "its key from no header"),
        ("service.yaml", "Resources.Stage.Properties.StageName", "prod", "the stage is not named v1"),
        ("service.yaml", "Resources.Stage.Properties.MethodSettings", [{"CachingEnabled": True}], "the stage caches"),
        ("service.yaml", "Resources.UsagePlan.Properties.ApiStages", [], "a stage is in no usage plan"),
        ("service.yaml", "Resources.UsagePlan.Properties.Throttle", GONE, "the usage plan has no throttle"),
        ("service.yaml", "Resources.ApiKeyInPlan", GONE, "the usage plan has no key"),
        ("service.yaml", "Resources.Api2", {"Type": "AWS::ApiGatewayV2::Api"}, "an HTTP API buffers"),
        ("service.yaml", "Resources.Service.Properties.HealthCheckPath", "/livez", "does not ask /readyz"),
        ("service.yaml", "Resources.Service.Properties.NetworkConfiguration", GONE, "not in the private subnets"),
        ("service.yaml", "Resources.RollbackAlarm.Properties.AlarmName", "4XX", "the alarm counts 4xx"),
        ("service.yaml", "Resources.RollbackAlarm", GONE, "the alarm has no least number of calls"),
        ("task.yaml", f"{_CONTAINER}.StopTimeout", GONE, "killed after 30 s, within its grace"),
        ("task.yaml", f"{_CONTAINER}.StopTimeout", 110, "killed after 110 s, within its grace"),
        ("task.yaml", f"{_CONTAINER}.StopTimeout", 300, "Fargate waits 120 s at most, not 300"),
        ("task.yaml", f"{_CONTAINER}.Environment.TIDEGATE_SERVER__GRACE_SECONDS", GONE, "the grace is not set"),
        ("task.yaml", f"{_CONTAINER}.Environment.TIDEGATE_SERVER__KEEP_ALIVE_SECONDS", GONE, "after 75 s"),
        ("task.yaml", f"{_CONTAINER}.Environment.OPENAI_API_KEY", "abc", "has a secret in OPENAI_API_KEY"),
        ("task.yaml", f"{_CONTAINER}.Environment.TIDEGATE_REDIS_URL", "rediss://:x@y", "secret in TIDEGATE_REDIS_URL"),
        ("task.yaml", f"{_CONTAINER}.ReadonlyRootFilesystem", "no", "the root is writable"),
        ("task.yaml", f"{_CONTAINER}.MountPoints", GONE, "data_dir is not writable"),
        ("stores.yaml", _STORES, [{"CidrIp": "10.0.0.0/8"}], "10.0.0.0/8"),
        ("stores.yaml", "Resources.PrivateSubnetA.Properties.MapPublicIpOnLaunch", True, "gives out public addresses"),
        ("stores.yaml", "Resources.PrivateRoute.Properties.NatGatewayId", GONE, "subnets are reached from outside"),
        ("stores.yaml", "Resources.Database.Properties.PubliclyAccessible", True, "PostgreSQL is public"),
        ("stores.yaml", "Resources.Database.Properties.PubliclyAccessible", GONE, "PostgreSQL is public"),
        ("stores.yaml", "Resources.Database.Properties.StorageEncrypted", GONE, "disk is not encrypted"),
        ("stores.yaml", "Resources.Database.Properties.MasterUserPassword", "abc", "password is in the template"),
        ("stores.yaml", "Resources.Database.DeletionPolicy", GONE, "PostgreSQL is lost with its stack"),
        ("stores.yaml", "Resources.Cache.Properties.AuthToken", GONE, "Valkey asks for no password"),
        ("stores.yaml", "Resources.Cache.Properties.TransitEncryptionEnabled", False, "not within TLS"),
        ("stores.yaml", "Resources.CacheParameters.Properties.Properties", {}, "Valkey may evict budgets"),
        ("apprunner.yaml", f"{_VARIABLES}.TIDEGATE_UPSTREAM__TOTAL_SECONDS", GONE, "cuts calls"),
        ("apprunner.yaml", f"{_VARIABLES}.TIDEGATE_SERVER__GRACE_SECONDS", GONE, "grace is not"),
        ("apprunner.yaml", f"{_VARIABLES}.OPENAI_API_KEY", "abc", "has a secret in"),
        ("apprunner.yaml", "Resources.Service.Properties.HealthCheckConfiguration", GONE, "does not ask /readyz"),
    ],
)  # fmt: skip
def test_a_planted_error_is_found(name: str, path: str, value: Any, problem: str) -> None:
    template = read(FOLDER / name)
    plant(template, path, value)
    found = RULES[name](template)
    assert any(problem in sentence for sentence in found), found


@pytest.mark.parametrize("seconds", [60, 930, 1000])
def test_an_idle_timeout_that_does_not_fit_is_found(seconds: int) -> None:
    assert len(task_problems(read(FOLDER / "task.yaml"), idle_seconds=seconds)) == 1
