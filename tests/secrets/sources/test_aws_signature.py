"""Requests to Amazon are signed as Amazon's own client signs them."""

from datetime import UTC, datetime
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tidegate.secrets.sources.aws_signature import AwsCredentials, signed_headers

URL = "https://secretsmanager.eu-west-1.amazonaws.com"
HEADERS = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue"}
NOW = 1_790_000_000.0


@pytest.mark.parametrize("session", ["", "session-token"])
@pytest.mark.parametrize("body", [b"{}", '{"SecretId":"größe"}'.encode()])
def test_the_signature_is_the_one_of_amazon_s_own_client(session: str, body: bytes) -> None:
    mine = signed_headers(URL, HEADERS, body, AwsCredentials("AKIA", "secret", session), region="eu-west-1", now=NOW)
    request = AWSRequest("POST", f"{URL}/", headers={**HEADERS, "host": URL.removeprefix("https://")}, data=body)
    moment = datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):  # it takes no clock
        SigV4Auth(Credentials("AKIA", "secret", session or None), "secretsmanager", "eu-west-1").add_auth(request)
    assert mine["authorization"] == request.headers["Authorization"]


def test_credentials_do_not_show() -> None:
    assert "secret" not in repr(AwsCredentials("AKIA", "secret", "session"))
