"""Schema media as data, and what a change to it breaks: `python -m tests.contract.make`.

Writes `media-VERSION.json` for the version the newest migration gives to schema media. A file that
is there is only written again with --again: for a version that nobody has been given yet.
"""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from services.local import start
from services.storage import migrate

HERE = Path(__file__).parent
COLUMNS = """
    select c.relname, json_agg(
        json_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) order by a.attnum
    )
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'media'::regnamespace and c.relkind not in ('i', 'I', 'S')
    group by c.relname
"""
#: Arguments as name, type and default; a result that is a table as its columns.
FUNCTIONS = """
    select p.proname, (
        select coalesce(json_agg(json_build_array(
            p.proargnames[n], format_type(t, null), n > p.pronargs - p.pronargdefaults
        ) order by n), '[]')
        from unnest(p.proargtypes::oid[]) with ordinality as a (t, n)
    ), coalesce((
        select json_agg(json_build_array(p.proargnames[n], format_type(t, null)) order by n)
        from unnest(p.proallargtypes) with ordinality as a (t, n)
        where p.proargmodes[n] in ('t', 'o')
    ), to_json(pg_get_function_result(p.oid)))
    from pg_proc as p where p.pronamespace = 'media'::regnamespace
    order by p.proname, p.oid
"""
#: A list of words, over several lines.
COLUMN = re.compile(r'\[\s+("[^"]*"(?:,\s+(?:"[^"]*"|true|false))*)\s+\]')
Contract = dict[str, Any]


def describe(connection: psycopg.Connection[Any]) -> Contract:
    """Return views with columns and types, functions with arguments and results, and the version.

    A function that overloads another stands under `name/2`.
    """
    functions: dict[str, Any] = {}
    for name, arguments, result in connection.execute(FUNCTIONS):
        same = sum(key.partition("/")[0] == name for key in functions)
        key = f"{name}/{same + 1}" if same else name
        functions[key] = {"arguments": arguments, "result": result}
    row = connection.execute("select media.schema_version()").fetchone()
    return {
        "version": row[0] if row else "",
        "views": dict(sorted(connection.execute(COLUMNS).fetchall())),
        "functions": functions,
    }


def breakages(older: Contract, newer: Contract) -> list[str]:
    """Return what a consumer of the older contract would miss or find changed in the newer one."""
    found = list(_lost("view", older["views"], newer["views"]))
    gone = older["functions"].keys() - newer["functions"].keys()
    found += [f"function {name} is gone" for name in gone]
    for name in older["functions"].keys() & newer["functions"].keys():
        before, after = older["functions"][name], newer["functions"][name]
        arguments = before["arguments"]
        if after["arguments"][: len(arguments)] != arguments:
            found.append(f"function {name}: other arguments")
        if not all(default for *_, default in after["arguments"][len(arguments) :]):
            found.append(f"function {name}: a new argument without a default")
        found += _lost("function", {name: before["result"]}, {name: after["result"]})
    return sorted(found)


def _lost(kind: str, older: dict[str, Any], newer: dict[str, Any]) -> Iterator[str]:
    """Yield which lists of columns do not begin as they did: new ones may only follow."""
    for name, before in older.items():
        after = newer.get(name)
        if after is None:
            yield f"{kind} {name} is gone"
        elif isinstance(before, str) or isinstance(after, str):
            if before != after:
                yield f"{kind} {name}: {after} instead of {before}"
        else:
            for place, column in enumerate(before):
                if after[place : place + 1] != [column]:
                    yield f"{kind} {name}: column {' '.join(column)} is not where it was"


def path_of(version: str) -> Path:
    """Return the file of a version."""
    return HERE / f"media-{version}.json"


def write(contract: Contract) -> str:
    """Return the contract as it stands in its file: one column a line."""
    text = json.dumps(contract, indent=1)
    return COLUMN.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def recorded() -> list[Contract]:
    """Return the contracts of all files, the oldest first."""
    contracts = [json.loads(path.read_text("utf-8")) for path in HERE.glob("media-*.json")]
    return sorted(contracts, key=lambda c: [int(part) for part in c["version"].split(".")])


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file of this version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="this version is not released yet")
    again = parser.parse_args(arguments).again
    with start(None, durable=False) as stack:
        migrate.migrate(stack.database_url)
        with psycopg.connect(stack.database_url) as connection:
            contract = describe(connection)
    path, text = path_of(contract["version"]), write(contract)
    if path.exists() and path.read_text("utf-8") != text and not again:
        raise SystemExit(
            f"{path.name} says otherwise: give media.schema_version() a new version in a new "
            "migration; or, where this version was never released, use --again"
        )
    path.write_text(text, "utf-8")
    print(f"written: tests/contract/{path.name}")


if __name__ == "__main__":
    main()
