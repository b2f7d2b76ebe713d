"""Tests wait for what is to happen, not for a time: that would tell how busy the machine is."""

import time
from collections.abc import Callable

#: Far more than anything takes on a machine that does much else: who waits so long waits in vain.
#: All of it must end within pytest's own limit, which tells less of why.
PATIENCE_S = 240.0


def until(condition: Callable[[], object], why: Callable[[], object] | str = "") -> None:
    """Return when the condition holds.

    Raises:
        AssertionError: it does not come to hold; `why` tells more of it.
    """
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, why() if callable(why) else why or "waited in vain"
        time.sleep(0.02)
