"""Requests of one project and one priority are one flow; a member's name begins with its process."""

import pytest

from tidegate.queue.messages import QueueEntry, process_of


@pytest.mark.parametrize(("member", "process"), [("p-1:req_2", "p-1"), ("p-1:req:2", "p-1"), ("p-1", "p-1"), ("", "")])
def test_a_member_names_its_process(member: str, process: str) -> None:
    assert process_of(member) == process


def test_each_weight_of_a_project_is_a_flow_of_its_own() -> None:
    tickets = [
        QueueEntry(member="p:1", tokens=1, flow=flow, weight=weight, deadline=0.0)
        for flow in ("harbour", "quay")
        for weight in (4, 16)
    ]
    assert len({ticket.flow_id for ticket in tickets}) == 4
