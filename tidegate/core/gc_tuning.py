"""What the garbage collector need not look at."""

import gc

_YOUNG = 20_000
"""Objects made and not gone again before the next look: a call has some hundreds while it runs, and leaves none."""


def freeze_startup_objects() -> None:
    """All that was made by now stays until the process ends: to look through it again would cost a pause each time.

    Modules and their parts are more than 100,000 objects, 100 ms a look: a fifth of a busy process's time. Call it
    once, when everything is imported and before the first call.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 10)
