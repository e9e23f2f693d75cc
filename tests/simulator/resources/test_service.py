"""Operations are counted, charged and struck by faults as all requests are; each key is an organisation of its own."""

import io

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, form, new_file


async def test_the_bill_counts_operations_by_their_names() -> None:
    async with upstream() as up:
        await new_file(up)
        await ask(up, "GET", "/files/file-none")
        stats = await up.stats()
    assert stats["calls"] == {"files.create": 1, "files.retrieve": 1}
    assert (stats["served"], stats["refused"], stats["cost_nanos"]) == (1, 1, 0)


async def test_keys_do_not_see_each_others_objects() -> None:
    async with upstream() as up:
        file_id = await new_file(up)
        other = {"authorization": "Bearer sk-other"}
        assert (await ask(up, "GET", f"/files/{file_id}", **other))[0] == 404
        assert (await ask(up, "GET", "/files", **other))[1]["data"] == []
        assert (await ask(up, "GET", f"/files/{file_id}"))[0] == 200


async def test_an_operation_that_a_fault_refuses_does_nothing() -> None:
    async with upstream() as up:
        status, answer = await ask(
            up, "POST", "/files", form(purpose="user_data", file=("a", b"1")), x_simulate_fault="overloaded"
        )
        assert (status, answer["error"]["code"]) == (503, "server_is_overloaded")
        assert (await ask(up, "GET", "/files"))[1]["data"] == []


async def test_a_wrong_method_and_a_wrong_path_have_openais_words() -> None:
    async with upstream() as up:
        status, answer = await ask(up, "DELETE", "/files")
        assert (status, answer["error"]["code"]) == (405, "method_not_supported")
        status, answer = await ask(up, "GET", "/tides")
        assert (status, answer["error"]["code"]) == (404, "unknown_url")


async def test_a_body_that_is_too_long_is_refused() -> None:
    body = io.BytesIO(b" " * (33 * 1024 * 1024))
    async with upstream() as up, up.session.post(f"{up.base_url}/batches", data=body) as answer:
        assert answer.status == 413


async def test_a_reset_forgets_all_objects() -> None:
    async with upstream() as up:
        await new_file(up)
        async with up.session.post(f"{up.root}/simulator/reset"):
            pass
        assert (await ask(up, "GET", "/files"))[1]["data"] == []
