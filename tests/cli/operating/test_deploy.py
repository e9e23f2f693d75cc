"""`tidegate deploy alarms` writes the files of a cloud with the configured thresholds."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidegate.cli.application import application


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_files_have_the_configured_thresholds_and_namespace() -> None:
    Path("tidegate.toml").write_text("[alerts]\nslow_seconds = 8\n[call_log]\nnamespace = 'Shop/Gateway'\n")
    result = CliRunner().invoke(application("deploy"), ["deploy", "alarms", "--cloud", "aws", "--out", "out"])
    assert result.exit_code == 0, result.output
    assert "aws cloudformation deploy" in result.output
    template = json.loads(Path("out/alarms.json").read_text())
    assert template["Resources"]["Slow"]["Properties"]["Threshold"] == 8_000
    [spent] = template["Resources"]["Cost"]["Properties"]["Metrics"]
    assert spent["MetricStat"]["Metric"]["Namespace"] == "Shop/Gateway"


def test_an_unknown_cloud_is_named() -> None:
    result = CliRunner().invoke(application("deploy"), ["deploy", "alarms", "--cloud", "moon"])
    assert (result.exit_code, "aws, gcp, azure" in result.stderr) == (2, True)


def test_a_folder_that_cannot_be_written_is_one_sentence() -> None:
    Path("taken").write_text("")
    result = CliRunner().invoke(application("deploy"), ["deploy", "alarms", "--cloud", "gcp", "--out", "taken"])
    assert (result.exit_code, result.stderr) == (1, "taken was not written: File exists.\n")
