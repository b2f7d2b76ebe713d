"""A program that uses the embedded servers, for tests that kill it; prints what it started.

Arguments: the state directory (or `-` for a temporary one), and what is special this time:
`hung`, the worker has a child that hears no signal but SIGKILL; `slow`, the worker needs a minute
to stop; `busy`, the program does not look at its servers for a long time; `orderly`, it handles
SIGINT itself. Standard input is a terminal, which becomes the program's own.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from services.local import start

WORKER = """
import os, signal, sys, time
parent = os.getpid()
if os.fork() == 0:
    if "hung" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while "hung" in sys.argv or os.getppid() == parent:
        time.sleep(0.05)
else:
    if "slow" in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_: time.sleep(60))
    print("worker ready", flush=True)
    time.sleep(600)
"""


def end(number: int, _: object) -> None:
    """End in order, as commands do."""
    raise SystemExit(128 + number)


def main() -> None:
    """Start everything, say so, and wait to be killed."""
    if "orderly" in sys.argv:
        signal.signal(signal.SIGINT, end)
    # The first terminal that a session opens is its own.
    os.close(os.open(os.ttyname(0), os.O_RDWR))
    state = None if sys.argv[1] == "-" else Path(sys.argv[1])
    print("starting", flush=True)
    with start(state, durable=False) as stack:
        worker = [sys.executable, "-c", WORKER, *sys.argv[2:]]
        grace = 60.0 if "slow" in sys.argv else 1.0
        stack.spawn("worker", worker, grace=grace, restart=True)
        while b"worker ready" not in stack.log("worker").read_bytes():
            time.sleep(0.01)
        started = {"state": str(stack.state), "sockets": str(stack.broker_socket.parent)}
        print(json.dumps(started), flush=True)
        if "busy" in sys.argv:
            time.sleep(120)
        while True:
            stack.wait()


if __name__ == "__main__":
    main()
