"""What the templates in deploy/aws keep, beyond CloudFormation's schema: a rule yields a sentence for each breach."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.deploy.cloudformation import Template, of_kind
from tests.deploy.container_rules import secrets_in_clear

Properties = Mapping[str, Any]

BUFFERED_MILLIS = 29_000
STREAM_MILLIS = 900_000
STOP_SECONDS = 120
"""The most that Fargate waits after SIGTERM."""
APP_RUNNER_SECONDS = 120
_ANYWHERE = ("0.0.0.0/0", "::/0")


def api_problems(template: Template, *, slowest_seconds: float) -> list[str]:
    """Return the breaches in API Gateway; `slowest_seconds` is what the gateway allows a call."""
    found = [f"{name}: an HTTP API buffers" for name in of_kind(template, "AWS::ApiGatewayV2::Api")]
    for api in of_kind(template, "AWS::ApiGateway::RestApi").values():
        found += _endpoint(api)
        for path, methods in api["Body"]["paths"].items():
            for method in methods.values():
                found += [f"{path}: {problem}" for problem in _method(method, api["Body"])]
                integration = method["x-amazon-apigateway-integration"]
                found += [f"{path}: {problem}" for problem in _integration(integration, slowest_seconds)]
    return found + list(_stage(template))


def _endpoint(api: Properties) -> Iterator[str]:
    if api.get("EndpointConfiguration", {}).get("Types") != ["REGIONAL"]:
        yield "the API is not regional: a stream would end after 30 s of silence"
    if api.get("ApiKeySourceType", "HEADER") != "HEADER":
        yield "the API takes its key from no header"


def _method(method: Properties, body: Properties) -> Iterator[str]:
    schemes = body.get("components", {}).get("securitySchemes", {})
    names = [name for requirement in method.get("security", []) for name in requirement]
    if not any(schemes.get(name, {}).get("name") == "x-api-key" for name in names):
        yield "is open to callers without a key"


def _integration(integration: Properties, slowest_seconds: float) -> Iterator[str]:
    is_stream = integration.get("responseTransferMode") == "STREAM"
    millis = integration.get("timeoutInMillis", BUFFERED_MILLIS)
    most = STREAM_MILLIS if is_stream else BUFFERED_MILLIS
    if not is_stream:
        yield "the answer is buffered"
    if millis > most:
        yield f"the timeout of {millis} ms is above {most}, which its mode allows"
    if millis < slowest_seconds * 1000:
        yield f"the timeout of {millis} ms ends calls that the gateway still waits for"
    if integration.get("type") != "http_proxy":
        yield f"the type {integration.get('type')} does not stream"
    if integration.get("connectionType") != "VPC_LINK" or "connectionId" not in integration:
        yield "the load balancer is not reached through a private link"
    if "integrationTarget" not in integration:
        yield "the private link has no target"
    if not str(integration["uri"].get("Fn::Sub", "")).endswith("/v1/{proxy}"):
        yield "the path of the gateway is not /v1"


def _stage(template: Template) -> Iterator[str]:
    stages = of_kind(template, "AWS::ApiGateway::Stage")
    for stage in stages.values():
        if stage["StageName"] != "v1":
            yield "the stage is not named v1, and its name gets into the path"
        if any(settings.get("CachingEnabled") for settings in stage.get("MethodSettings", [])):
            yield "the stage caches, which a stream cannot"
    plans = of_kind(template, "AWS::ApiGateway::UsagePlan").values()
    in_plans = {entry["Stage"]["Ref"] for plan in plans for entry in plan.get("ApiStages", [])}
    if in_plans != set(stages):
        yield "a stage is in no usage plan, so no key is valid for it"
    for plan in plans:
        if not {"RateLimit", "BurstLimit"} <= set(plan.get("Throttle", {})):
            yield "the usage plan has no throttle"
    if not of_kind(template, "AWS::ApiGateway::UsagePlanKey"):
        yield "the usage plan has no key"


def service_problems(template: Template) -> list[str]:
    """Return the breaches in the service of Express Mode and its alarm."""
    found = []
    for service in of_kind(template, "AWS::ECS::ExpressGatewayService").values():
        if service.get("HealthCheckPath") != "/readyz":
            found.append("the load balancer does not ask /readyz")
        if "-Subnets" not in str(service.get("NetworkConfiguration", {}).get("Subnets")):
            found.append("the load balancer is not in the private subnets")
    alarms = of_kind(template, "AWS::CloudWatch::Alarm")
    if any("4XX" in str(alarm) for alarm in alarms.values()):
        found.append("the alarm counts 4xx, and so every 401 and 429")
    if not any("IF(calls" in str(alarm) for alarm in alarms.values()):
        found.append("the alarm has no least number of calls")
    return found


def task_problems(template: Template, *, idle_seconds: int) -> list[str]:
    """Return the breaches in the task; `idle_seconds` is the load balancer's idle timeout."""
    (task,) = of_kind(template, "AWS::ECS::TaskDefinition").values()
    (container,) = task["ContainerDefinitions"]
    values = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    return [
        *_grace(container, values),
        *secrets_in_clear(values),
        *_connections(values, idle_seconds),
        *_filesystem(container),
    ]


def _grace(container: Properties, values: Mapping[str, str]) -> Iterator[str]:
    stop, grace = container.get("StopTimeout", 30), values.get("TIDEGATE_SERVER__GRACE_SECONDS")
    if stop > STOP_SECONDS:
        yield f"Fargate waits {STOP_SECONDS} s at most, not {stop}"
    if grace is None:
        yield "the grace is not set"
    elif int(grace) + 2 > stop:
        yield f"the task is killed after {stop} s, within its grace"


def _connections(values: Mapping[str, str], idle_seconds: int) -> Iterator[str]:
    keep_alive = int(values.get("TIDEGATE_SERVER__KEEP_ALIVE_SECONDS", 75))
    if keep_alive <= idle_seconds:
        yield f"the gateway closes a connection after {keep_alive} s that the load balancer keeps for {idle_seconds}"
    if idle_seconds * 1000 < STREAM_MILLIS:
        yield f"the load balancer ends a silent call after {idle_seconds} s, before API Gateway does"


def _filesystem(container: Properties) -> Iterator[str]:
    if container.get("ReadonlyRootFilesystem") is not True:
        yield "the root is writable"
    if "/var/lib/tidegate" not in {mount["ContainerPath"] for mount in container.get("MountPoints", [])}:
        yield "data_dir is not writable"


def stores_problems(template: Template) -> list[str]:
    """Return the breaches in the network and the stores."""
    return [*_network(template), *_database(template), *_cache(template)]


def _network(template: Template) -> Iterator[str]:
    for name, group in of_kind(template, "AWS::EC2::SecurityGroup").items():
        for rule in group.get("SecurityGroupIngress", []):
            if "SourceSecurityGroupId" not in rule:
                yield f"{name}: lets in {rule.get('CidrIp', 'others')}, not the gateway alone"
    for name, subnet in of_kind(template, "AWS::EC2::Subnet").items():
        if name.startswith("Private") and subnet.get("MapPublicIpOnLaunch"):
            yield f"{name}: gives out public addresses"
    for name, route in of_kind(template, "AWS::EC2::Route").items():
        is_private = route["RouteTableId"] == {"Ref": "PrivateRoutes"}
        if is_private and route.get("DestinationCidrBlock") in _ANYWHERE and "NatGatewayId" not in route:
            yield f"{name}: the private subnets are reached from outside"


def _database(template: Template) -> Iterator[str]:
    for database in of_kind(template, "AWS::RDS::DBInstance").values():
        if database.get("PubliclyAccessible", True):
            yield "PostgreSQL is public"
        if not database.get("StorageEncrypted"):
            yield "PostgreSQL's disk is not encrypted"
        if "resolve:secretsmanager" not in str(database.get("MasterUserPassword")):
            yield "PostgreSQL's password is in the template, or is changed under the running tasks"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::RDS::DBInstance" and resource.get("DeletionPolicy") not in {"Snapshot", "Retain"}:
            yield "PostgreSQL is lost with its stack"


def _cache(template: Template) -> Iterator[str]:
    for cache in of_kind(template, "AWS::ElastiCache::ReplicationGroup").values():
        if not cache.get("TransitEncryptionEnabled") or "AuthToken" not in cache:
            yield "Valkey asks for no password, or not within TLS"
    for parameters in of_kind(template, "AWS::ElastiCache::ParameterGroup").values():
        if parameters["Properties"].get("maxmemory-policy") != "noeviction":
            yield "Valkey may evict budgets"


def app_runner_problems(template: Template) -> list[str]:
    """Return the breaches in the service of App Runner."""
    (service,) = of_kind(template, "AWS::AppRunner::Service").values()
    configuration = service["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    values = {entry["Name"]: entry["Value"] for entry in configuration["RuntimeEnvironmentVariables"]}
    found = list(secrets_in_clear(values))
    if float(values.get("TIDEGATE_UPSTREAM__TOTAL_SECONDS", 600)) >= APP_RUNNER_SECONDS:
        found.append("App Runner cuts calls that the gateway still waits for")
    if "TIDEGATE_SERVER__GRACE_SECONDS" not in values:
        found.append("the grace is not set")
    if service.get("HealthCheckConfiguration", {}).get("Path") != "/readyz":
        found.append("App Runner does not ask /readyz")
    return found
