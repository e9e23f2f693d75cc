"""Jobs of all kinds go on, whether or not a client looks at them."""

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, new_file
from tests.simulator.resources.jobs.test_fine_tuning import EXAMPLES
from tidegate.core.clock import ManualClock


async def test_a_job_ends_and_is_charged_though_it_is_never_read() -> None:
    clock = ManualClock()
    async with upstream(clock, job_seconds=60.0) as up:
        file_id = await new_file(up, EXAMPLES, name="e.jsonl", purpose="fine-tune")
        await ask(up, "POST", "/fine_tuning/jobs", {"model": "gpt-4.1-mini", "training_file": file_id})
        clock.advance(59)
        assert "fine_tuning.job" not in (await up.stats())["calls"]
        clock.advance(2)
        assert (await up.stats())["calls"]["fine_tuning.job"] == 1
