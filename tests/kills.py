"""A process killed before one of its steps: words with Postgres, and touches of files."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from services.storage import Connection
from tests.patience import PATIENCE_S

#: What a process does to files, as Python tells it before it is done.
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.move"}
OTHERS = b"select exists (select from pg_stat_activity where datname = current_database()"
OTHERS += b" and pid <> pg_backend_pid() and backend_type = 'client backend')"


def killed_at(
    steps: int, folder: Path, connection: Connection, work: Callable[..., None], *args: object
) -> bool:
    """Have a process do the work, killed before so many steps; return whether it was.

    Files count below the folder. When this returns, Postgres has noticed that it is gone.
    """
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_counted, args=(steps, folder, work, args))
    child.start()
    child.join(PATIENCE_S)
    assert child.exitcode in (0, -signal.SIGKILL)
    while connection.execute(OTHERS).fetchone() == (True,):
        time.sleep(0.01)
    return child.exitcode != 0


def _counted(steps: int, folder: Path, work: Callable[..., None], args: tuple[object, ...]) -> None:
    with killed_before(steps) as step:

        def touched(event: str, found: tuple[Any, ...]) -> None:
            if event in TOUCHES and str(found[0]).startswith(str(folder)):
                step()

        sys.addaudithook(touched)
        work(*args)


@contextmanager
def killed_before(steps: float) -> Iterator[Callable[[], None]]:
    """Have this process killed before so many words with Postgres, or calls of what is given."""
    left, wait = steps, psycopg.Connection.wait

    def step() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        step()
        answer = wait(self, *args, **kwargs)
        step()
        return answer

    psycopg.Connection.wait = counted  # type: ignore[method-assign]
    try:
        yield step
    finally:
        psycopg.Connection.wait = wait  # type: ignore[method-assign]
