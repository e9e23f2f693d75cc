"""The scripts of deploy/aws say the right words to the AWS CLI. A stand-in for it on the path records them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.cloudformation import read

FOLDER = Path(__file__).parents[2] / "deploy" / "aws"
STAND_IN = """\
#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done >> "$CALLS"
echo >> "$CALLS"
case "$*" in
*describe-stacks*) echo "value-of-an-output" ;;
*run-task*) echo "arn:aws:ecs:eu-west-1:123456789012:task/tidegate/abc123" ;;
*get-log-events*) echo "what the task said" ;;
*describe-tasks*) echo 75 ;;
*describe-services*) echo '{"strategy": "CANARY"}' ;;
esac
"""


class Recorded:
    """What a script printed, how it ended, and what it asked the CLI."""

    def __init__(self, folder: Path, script: str, *arguments: str) -> None:
        (folder / "aws").write_text(STAND_IN)
        (folder / "aws").chmod(0o755)
        (folder / "calls").write_text("")
        environment = {"PATH": f"{folder}:/usr/bin:/bin", "CALLS": str(folder / "calls")}
        command = ["sh", str(FOLDER / script), *arguments]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        self.output, self.code = run.stdout, run.returncode
        self.calls = [call.split("\n") for call in (folder / "calls").read_text().strip().split("\n\n")]

    def option(self, action: str, name: str) -> str:
        """Return the value of an option in the one call of an action."""
        (call,) = [call for call in self.calls if call[1] == action]
        return call[call.index(name) + 1]


def test_a_command_runs_as_a_task_and_its_code_is_the_scripts(tmp_path: Path) -> None:
    run = Recorded(tmp_path, "run.sh", "keys", "create", "--project", "default", "--if-none")
    assert (run.code, run.output) == (75, "what the task said\n")
    (container,) = json.loads(run.option("run-task", "--overrides"))["containerOverrides"]
    assert container["command"] == ["keys", "create", "--project", "default", "--if-none"]
    (ours,) = read(FOLDER / "task.yaml")["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    assert container["name"] == ours["Name"]
    prefix = ours["LogConfiguration"]["Options"]["awslogs-stream-prefix"]
    assert run.option("get-log-events", "--log-stream-name") == f"{prefix}/{ours['Name']}/abc123"


def test_tuning_changes_the_idle_timeout_and_the_alarm_and_nothing_else(tmp_path: Path) -> None:
    run = Recorded(tmp_path, "tune.sh")
    assert run.code == 0
    assert run.option("modify-load-balancer-attributes", "--attributes") == "Key=idle_timeout.timeout_seconds,Value=910"
    assert run.option("update-service", "--deployment-configuration") == '{"strategy": "CANARY"}'
    alarm = read(FOLDER / "service.yaml")["Resources"]["RollbackAlarm"]["Properties"]["AlarmName"]
    query = run.option("describe-services", "--query")
    assert f"merge(@, {{alarms: {{alarmNames: [`{alarm}`], enable: `true`, rollback: `true`}}}})" in query


@pytest.mark.parametrize(
    "text", [FOLDER / "run.sh", FOLDER / "tune.sh", FOLDER.parents[1] / "docs/guides/deploying-aws.md"]
)
def test_each_output_that_is_asked_for_is_in_a_template(text: Path) -> None:
    given = {name for file in FOLDER.glob("*.yaml") for name in read(file)["Outputs"]}
    asked = set(re.findall(r"OutputKey=='(\w+)'", text.read_text())) | set(
        re.findall(r"output \S+ (\w+)\)", text.read_text())
    )
    assert asked - {"$2"} <= given
    assert asked
