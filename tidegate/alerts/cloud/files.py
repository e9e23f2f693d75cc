"""What the alarm files of all clouds have in common, and which cloud has which."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from tidegate.alerts.cloud.aws import aws_files
from tidegate.alerts.cloud.azure import azure_files
from tidegate.alerts.cloud.google import google_files
from tidegate.alerts.thresholds import Thresholds

Cloud = Literal["aws", "gcp", "azure"]
CLOUDS: tuple[Cloud, ...] = get_args(Cloud)
Files = Mapping[str, Mapping[str, Any]]
"""JSON documents by the names of their files."""

APPLY: Mapping[Cloud, str] = {
    "aws": "aws cloudformation deploy --stack-name tidegate-alarms --template-file alarms.json "
    "--parameter-overrides LogGroup=NAME Topic=ARN",
    "gcp": "gcloud logging metrics create NAME --config-from-file metric-NAME.json, then "
    "gcloud monitoring policies create --policy-from-file policy-NAME.json",
    "azure": "az deployment group create --resource-group NAME --template-file alarms.json "
    "--parameters workspace=ID actionGroup=ID",
}
"""How the files of each cloud are applied."""


def alarm_files(cloud: Cloud, thresholds: Thresholds, *, namespace: str) -> Files:
    """Return the files of one cloud, for the alerts that are enabled; `namespace` is that of metrics in CloudWatch."""
    match cloud:
        case "aws":
            return aws_files(thresholds, namespace)
        case "gcp":
            return google_files(thresholds)
        case "azure":
            return azure_files(thresholds)
