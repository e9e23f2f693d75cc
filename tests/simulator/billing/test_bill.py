"""The bill records how each call ended, and a reset also forgets calls in flight."""

import pytest

from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.billing.bill import LAST_REQUESTS, Bill, BilledCall


def call(fault: str | None = None, key: str | None = None) -> BilledCall:
    return BilledCall(id="req_1", route="chat", fault=fault, key_ends=key)


@pytest.mark.parametrize("end", ["served", "refused", "broken"])
def test_a_call_ends_as_it_says(end: str) -> None:
    bill = Bill()
    with bill.call(call(fault="stall")) as one:
        assert bill.figures()["in_flight"] == 1
        one.end = end
        one.output_tokens = 3
    figures = bill.figures()
    assert (figures["in_flight"], figures[end]) == (0, 1)
    assert figures["faults"] == {"stall": 1}
    assert figures["tokens"] == {"input": 0, "output": 3}


def test_a_client_that_left_is_no_error() -> None:
    bill = Bill()
    with bill.call(call()):
        raise ClientDisconnected
    assert bill.figures()["cancelled"] == 1


def test_a_call_that_fails_is_broken() -> None:
    bill = Bill()
    with pytest.raises(KeyError), bill.call(call()):
        raise KeyError
    assert bill.figures()["broken"] == 1


def test_a_reset_forgets_what_is_in_flight() -> None:
    bill = Bill()
    with bill.call(call()):
        bill.reset()
        assert bill.figures()["in_flight"] == 0
    assert bill.figures()["served"] == 0


def test_each_key_has_a_bill_of_its_own() -> None:
    bill = Bill()
    for key, tokens in (("aaaa", 3), ("bbbb", 5), ("aaaa", 7)):
        with bill.call(call(key=key)) as one:
            one.output_tokens = tokens
    figures = bill.figures()
    assert {key: own["tokens"]["output"] for key, own in figures["keys"].items()} == {"aaaa": 10, "bbbb": 5}
    assert figures["keys"]["aaaa"]["calls"] == {"chat": 2}
    assert (figures["tokens"]["output"], figures["served"]) == (15, 3)


def test_further_keys_than_are_billed_apart_are_in_the_total() -> None:
    bill = Bill()
    for number in range(1005):
        with bill.call(call(key=str(number))):
            pass
    assert (len(bill.figures()["keys"]), bill.figures()["served"]) == (1000, 1005)


def test_only_the_last_requests_are_remembered_one_by_one() -> None:
    bill = Bill()
    for _ in range(LAST_REQUESTS + 5):
        with bill.call(call()):
            pass
    figures = bill.figures()
    assert (len(figures["requests"]), figures["served"]) == (LAST_REQUESTS, LAST_REQUESTS + 5)
