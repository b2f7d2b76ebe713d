"""`python -m tests.fuzz.regexes`: every pattern of the product against texts made to slow it down.

Each text is a beginning that the pattern knows and a part, made of the pattern's own letters, again
and again. A pattern is told where four times the text takes far more than four times as long.
"""

import argparse
import importlib
import itertools
import pkgutil
import random
import re
import time
from collections.abc import Callable, Iterator
from re import _parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any

PACKAGES = ("worker", "crawler", "services")
SHORT, LONG = 5_000, 20_000
#: A text of LONG characters that takes so much more than one of SHORT is no chance.
GROWTH, SLOW_S = 9.0, 0.02
#: What no set of a pattern may hold, to end a text with.
STRANGE = "\x01"
ANY = frozenset({"search", "match"})


def patterns() -> dict[str, "re.Pattern[Any]"]:
    """Return every pattern that the product compiles, by the place where it does."""
    found: dict[str, re.Pattern[Any]] = {}
    compile_ = re.compile

    def noted(pattern: Any, flags: int = 0) -> "re.Pattern[Any]":
        import sys

        compiled = compile_(pattern, flags)
        caller: FrameType | None = sys._getframe(1)
        if caller and caller.f_globals.get("__name__", "").startswith(PACKAGES):
            found[f"{caller.f_globals['__name__']}:{caller.f_lineno}"] = compiled
        return compiled

    re.compile = noted
    try:
        for name in PACKAGES:
            package = importlib.import_module(name)
            for module in pkgutil.walk_packages(package.__path__, f"{name}."):
                if not module.name.endswith("__main__"):
                    found |= _inline(importlib.import_module(module.name), compile_)
        from worker.extract import warm

        warm()
    finally:
        re.compile = compile_
    return found


def uses(place: str) -> frozenset[str]:
    """Return how a pattern is asked: `match`, `fullmatch`, and `search` for all others."""
    import inspect

    name, _, line = place.rpartition(":")
    source = inspect.getsource(importlib.import_module(name))
    written = source.splitlines()[int(line) - 1]
    variable = re.match(r"(\w+)(?:: [^=]+)? = re\.compile", written)
    methods = re.findall(rf"\b{variable[1]}\.(\w+)", source) if variable else []
    return frozenset(m if m in ("match", "fullmatch") else "search" for m in methods) or ANY


def _inline(
    module: Any, compile_: Callable[..., "re.Pattern[Any]"]
) -> dict[str, "re.Pattern[Any]"]:
    """Return the patterns that stand in calls such as `re.sub(r"...", ...)`."""
    import ast
    import inspect

    found = {}
    try:
        source = inspect.getsource(module)
    except OSError:  # an empty file
        return {}
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr not in ("compile", "escape")
            and isinstance(node.args[0], ast.Constant)
        ):
            found[f"{module.__name__}:{node.lineno}"] = compile_(node.args[0].value)
    return found


def attacks(
    pattern: "re.Pattern[Any]", chance: random.Random, count: int
) -> Iterator[tuple[str, str]]:
    """Yield beginnings, and parts to be repeated, made of what the pattern looks for."""
    words = _words(pattern)
    letters = sorted({letter for word in words for letter in word}) or ["a"]
    starts = ["", *words]
    yield from itertools.product(starts[:8], letters[:12])
    for _ in range(count):
        parts = [chance.choice((*words, *letters)) for _ in range(chance.randint(1, 5))]
        yield chance.choice(starts), "".join(parts)


def _words(pattern: "re.Pattern[Any]") -> list[str]:
    """Return runs of letters that parts of a pattern match."""
    text = pattern.pattern
    tree = _parser.parse(text, pattern.flags & ~(re.DEBUG | re.LOCALE))
    words: list[str] = []
    whole = "".join(_matching(tree, words))
    return [word for word in dict.fromkeys([whole, *words]) if word][:60]


def _matching(tree: Any, words: list[str]) -> str:
    """Return a text that matches a part of a pattern, and note those of its parts."""
    run = ""
    for code, value in tree:
        name = str(code)
        if name == "LITERAL":
            run += chr(value)
        elif name == "NOT_LITERAL":
            run += "a" if value != ord("a") else "b"
        elif name == "ANY":
            run += "x"
        elif name == "IN":
            run += _member(value, words)
        elif name == "BRANCH":
            ways = [_matching(way, words) for way in value[1]]
            words += ways[:20]
            run += ways[0]
        elif name == "SUBPATTERN":
            run += _matching(value[-1], words)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            once = _matching(value[2], words)
            words.append(once)
            run += once * max(1, min(value[0], 20))
        elif name in ("ASSERT", "ATOMIC_GROUP"):
            run += (
                _matching(value[-1] if name == "ASSERT" else value, words)
                if name != "ASSERT"
                else ""
            )
    return run


def _member(items: Any, words: list[str]) -> str:
    """Return a letter of a set, and note the others it names."""
    names = {"CATEGORY_SPACE": " ", "CATEGORY_DIGIT": "1", "CATEGORY_WORD": "w"}
    members = []
    for code, value in items:
        if str(code) == "LITERAL":
            members.append(chr(value))
        elif str(code) == "RANGE":
            members.append(chr(value[0]))
        elif str(code) == "CATEGORY":
            members.append(names.get(str(value), "!"))
    if items and str(items[0][0]) == "NEGATE":
        words += members[:6]
        return next((letter for letter in "xz5; " if letter not in members), "\u0628")
    words += members[:6]
    return members[0] if members else "x"


def cost_s(pattern: "re.Pattern[Any]", text: str, asked: frozenset[str]) -> float:
    """Return the seconds in which a pattern looks through a text."""
    subject: Any = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    began = time.process_time()
    if "search" in asked:
        for _ in pattern.finditer(subject):
            pass
    if "match" in asked:
        pattern.match(subject)
    if "fullmatch" in asked:
        pattern.fullmatch(subject)
    return time.process_time() - began


def slow(
    pattern: "re.Pattern[Any]", count: int, asked: frozenset[str] = ANY, seed: int = 1
) -> tuple[str, str, float] | None:
    """Return the beginning and part that slow a pattern down, and how much it grows; else None."""
    for start, part in attacks(pattern, random.Random(seed), count):
        for end in ("", STRANGE):
            text = [start + (part * (n // len(part) + 1))[:n] + end for n in (SHORT, LONG)]
            if cost_s(pattern, text[0], asked) * 16 < SLOW_S:
                continue
            costs = [min(cost_s(pattern, t, asked) for _ in range(2)) for t in text]
            if costs[1] > SLOW_S and costs[1] > GROWTH * costs[0]:
                return start, part, costs[1]
    return None


def main() -> int:
    """Print every pattern that is slow; return 1 where there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.regexes", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="texts for each pattern (300)")
    parser.add_argument("--only", default="", help="patterns of modules whose name begins so")
    asked = parser.parse_args()
    found = {name: p for name, p in patterns().items() if name.startswith(asked.only)}
    failed = 0
    for number, (name, pattern) in enumerate(sorted(found.items()), 1):
        if told := slow(pattern, asked.count, uses(name)):
            failed += 1
            start, part, seconds = told
            what = f"{start!r} + {part!r} * n: {seconds:.2f} s for {LONG} characters"
            print(f"{name}: {what}: {pattern.pattern[:90]!r}", flush=True)
        if number % 50 == 0:
            print(f"{number} of {len(found)} patterns", flush=True)
    print(f"{len(found)} patterns, {failed} slow")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
