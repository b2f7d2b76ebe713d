"""The address of a database in; the same for a process that logs in as a role of its own."""

from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from services.storage import roles

#: Commands by the role they run as; all others are an operator's.
ROLE_OF = {
    "worker": "worker",
    "reconcile": "reconciler",
    "crawl": "crawler",
    "backfill": "crawler",
    "fetch": "crawler",
    "import": "importer",
    "status": "dashboard",
    "dashboard": "dashboard",
    "follow": "reader",
    "migrate": "",
}


def let_in(database_url: str) -> None:
    """Have the roles log in, as an administrator does; the servers of the tests trust everyone."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role in roles.grants().roles:
            name = sql.Identifier(roles.PREFIX + role)
            connection.execute(sql.SQL("alter role {} login").format(name))


def as_role(database_url: str, role: str) -> str:
    """Return the address with the role's login instead of the owner's; "" is the owner."""
    parts = urlsplit(database_url)
    host = parts.netloc.rpartition("@")[2]
    user = roles.PREFIX + role if role else "rasid"
    return urlunsplit(parts._replace(netloc=f"{user}@{host}"))


def as_command(database_url: str, command: str) -> str:
    """Return the address with the login of who runs this command."""
    return as_role(database_url, ROLE_OF.get(command, "operator"))
