"""The page of the measured figures."""

Figures = dict[str, tuple[float, str, float]]
"""By what was measured: value, unit and goal."""

_HEAD = """\
# The image, measured

`make image-test` writes this page. The image was built and run on a real engine. Its bases stand in for the official
ones: they are made of Debian's packages. Sizes are uncompressed, bytecode included.

Other programs use the same machine: {busy:.0f} processes wanted its {cores} cores on average. Seconds of CPU tell more
than seconds of waiting there.

| measured | figure | goal |
|---|---|---|
"""


def written(figures: Figures, *, busy: float, cores: int) -> str:
    """Return the page; `busy` is the machine's load average."""
    rows = (
        f"| {name} | {_number(value)} {unit} | {_number(goal)} {unit} |\n"
        for name, (value, unit, goal) in figures.items()
    )
    return _HEAD.format(busy=busy, cores=cores) + "".join(rows)


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
