"""Celery's pool of processes, made so that no process of its can hold it up by how it dies."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from billiard.context import ForkContext
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool


class Counter:
    """How many results of a process were heard: the pool counts, the process looks.

    Billiard's own has a lock that both take. A process that is killed while it has it, as happens
    to one that was at its end when its time was up, keeps it: the pool then waits for it for ever.
    One that counts and one that looks need none.
    """

    def __init__(self, raw: Any) -> None:
        """Count in this memory that both processes see."""
        self._raw = raw

    @property
    def value(self) -> int:
        """How many there were."""
        return int(self._raw.value)

    @value.setter
    def value(self, value: int) -> None:
        self._raw.value = value

    def get_lock(self) -> AbstractContextManager[None]:
        """Return what billiard holds while it counts: nothing."""
        return nullcontext()


class Context(ForkContext):  # type: ignore[misc]
    """Billiard's, with that counter."""

    def Value(self, typecode_or_type: Any, *args: Any, **_: Any) -> Counter:  # noqa: N802 - billiard's
        """Return a number that a process and the pool share."""
        return Counter(self.RawValue(typecode_or_type, *args))


class Processes(AsynPool):  # type: ignore[misc]
    """The processes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start them."""
        super().__init__(*args, context=Context(), **kwargs)

    def flush(self) -> None:
        """Keep what was given to a process when the connection to the broker ends.

        Celery's pool would forget each task that no process has begun, also those that lie in the
        pipe of one that will. Such a task has no time limit: should it hang, its process is lost
        for good, and nobody sees it. And in a shutdown nobody hears its result, for which its
        process waits half a minute. Of what comes twice by this the second is done already.
        """

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        """Look whether a process ends; anew where it ends just now, which else ends the worker.

        A new connection has all of them looked at. Of one that is ending Celery has given up the
        file it looks at, and stumbles over that.
        """
        if getattr(proc, "_sentinel_poll", 0) is None:
            del proc._sentinel_poll  # noqa: SLF001 - as if it had never been looked at
        super()._track_child_process(proc, hub)


class Pool(TaskPool):  # type: ignore[misc]
    """What Celery is told to use."""

    Pool = Processes
