"""A state directory in, embedded Postgres and Redis for one machine out, all under one guard.

`start` returns a `Stack` with the addresses of the servers, which also runs other processes;
nothing that it started outlives the program, however it ends. `attach` finds the servers that
another process runs.
"""

from services.local.link import Exit
from services.local.stack import Stack, attach, start

__all__ = ["Exit", "Stack", "attach", "start"]
