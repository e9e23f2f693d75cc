"""The figures are written in Prometheus's text format."""

from tidegate.monitoring.counters import Counts, Gauge, Sample
from tidegate.monitoring.prometheus import exposition

UP = Gauge(name="redis_up", help="Whether it is.", samples=(Sample(1),))


def figures(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_each_figure_has_its_line() -> None:
    counts = Counts(
        failures={"truncated_answer": {"chat": 2}, "insufficient_quota": {"chat": 1, "responses": 3}},
        internal_events={"redis_lost": 0, "redis_silent": 7},
        gauges=(UP,),
    )
    text = exposition({"": counts})
    assert figures(text) == [
        'tidegate_failures_total{error="truncated_answer",route="chat"} 2',
        'tidegate_failures_total{error="insufficient_quota",route="chat"} 1',
        'tidegate_failures_total{error="insufficient_quota",route="responses"} 3',
        'tidegate_own_part_events_total{event="redis_lost"} 0',
        'tidegate_own_part_events_total{event="redis_silent"} 7',
        "tidegate_redis_up 1",
    ]
    assert "# HELP tidegate_redis_up Whether it is.\n# TYPE tidegate_redis_up gauge\n" in text
    assert text.endswith("\n")


def test_workers_have_a_label_and_each_family_is_told_of_once() -> None:
    one = Counts(failures={"truncated_answer": {"chat": 2}}, internal_events={"redis_lost": 1}, gauges=(UP,))
    other = Counts(failures={}, internal_events={"redis_lost": 2}, gauges=(UP,))
    shared = Gauge(name="spent", help="All that was.", samples=(Sample(0.5, {"period": "day"}),))
    text = exposition({"0": one, "1": other}, [shared])
    assert figures(text) == [
        'tidegate_failures_total{error="truncated_answer",route="chat",worker="0"} 2',
        'tidegate_own_part_events_total{event="redis_lost",worker="0"} 1',
        'tidegate_own_part_events_total{event="redis_lost",worker="1"} 2',
        'tidegate_redis_up{worker="0"} 1',
        'tidegate_redis_up{worker="1"} 1',
        'tidegate_spent{period="day"} 0.5',
    ]
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families)) == 4


def test_what_a_label_says_is_escaped() -> None:
    odd = Gauge(name="odd", help="Odd.", samples=(Sample(1, {"model": 'a"b\\c\nd'}),))
    assert figures(exposition({"": Counts(failures={}, internal_events={}, gauges=(odd,))})) == [
        r'tidegate_odd{model="a\"b\\c\nd"} 1'
    ]
