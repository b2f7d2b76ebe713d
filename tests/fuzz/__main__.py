"""`python -m tests.fuzz TARGET`: looks for inputs that break a promise, guided by coverage.

Each way to fail is written down once, and the search goes on. Needs atheris: `uv pip install
--group fuzz`, or anywhere on PYTHONPATH.
"""

import argparse
import hashlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

EXAMPLES = """\
examples:
  python -m tests.fuzz --list                      the targets
  python -m tests.fuzz page --seconds 600          ten minutes of hostile pages
  python -m tests.fuzz page --corpus DIR           keeps what reached new code, and begins with it
  python -m tests.fuzz page --try FILE...          these inputs alone; says how long each took
  python -m tests.fuzz --kept                      all that was ever found, and the bombs
"""
PRODUCT = ("services", "crawler", "worker", "protego", "yaml")


def arguments() -> argparse.Namespace:
    """Return what the command was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Look for bytes that crash, hang or bloat what reads them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", nargs="?", help="a name that --list shows")
    parser.add_argument("--list", action="store_true", help="show the targets and what they try")
    parser.add_argument("--seconds", type=int, default=60, help="how long to look (60)")
    parser.add_argument("--corpus", type=Path, help="folder of inputs to begin with and to add to")
    parser.add_argument(
        "--findings", type=Path, default=Path("fuzz-findings"), help="where failures go"
    )
    parser.add_argument("--try", nargs="+", type=Path, dest="inputs", help="run these files only")
    parser.add_argument("--kept", action="store_true", help="all findings kept, and the bombs")
    parser.add_argument("--seed", type=int, default=1, help="of the first mutations (1)")
    return parser.parse_args()


def main() -> int:
    """Do what was asked; return 1 where a promise was broken."""
    asked = arguments()
    if asked.kept:
        return _try(_kept())
    if asked.list or not asked.target:
        return _listed()
    if asked.inputs:
        return _try((asked.target, path.name, path.read_bytes) for path in asked.inputs)
    try:
        import atheris
    except ImportError:
        print("atheris is not installed: uv pip install --group fuzz", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=list(PRODUCT), enable_loader_override=False):
        from tests.fuzz.every import TARGETS
    if asked.target not in TARGETS:
        return _unknown(asked.target)
    _fuzz(atheris, TARGETS[asked.target], asked)
    return 0


def _fuzz(atheris: Any, target: Any, asked: argparse.Namespace) -> None:
    from tests.fuzz.target import MEMORY_MB, SECONDS, mutated
    from worker.limits import limit_memory

    corpus = asked.corpus or Path(".fuzz-corpus") / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in (*target.seeds(), *(path.read_bytes() for path in target.kept())):
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed[: target.most_bytes])
    findings = Findings(target, asked.findings / target.name, asked.seconds)

    def change(data: bytes, most: int, seed: int) -> bytes:
        if seed % 3 == 0:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, target, most, seed)

    limit_memory(MEMORY_MB)
    atheris.Setup(
        [
            *(sys.argv[0], str(corpus), f"-seed={asked.seed}"),
            *(f"-max_len={target.most_bytes}", f"-timeout={int(SECONDS * 6)}", "-rss_limit_mb=0"),
            *("-print_final_stats=1", "-verbosity=1", "-len_control=20"),
        ],
        findings.run,
        custom_mutator=change,
    )
    findings.began = time.monotonic()
    atheris.Fuzz()


class Findings:
    """The ways in which a target failed, each with its first input; progress now and then."""

    def __init__(self, target: Any, folder: Path, seconds: float) -> None:
        """Write to this folder, which is made when there is something to write."""
        self._target, self._folder, self._seconds = target, folder, seconds
        self._seen: dict[str, str] = {}
        self._runs = 0
        self.began = time.monotonic()
        self._told = self.began

    def run(self, data: bytes) -> None:
        """Try an input; a failure is kept, not raised."""
        from services.shared.errors import PageTimeout
        from tests.fuzz.target import tried

        self._runs += 1
        try:
            tried(self._target, data)
        except (Exception, PageTimeout) as error:  # noqa: BLE001 - all of them are findings
            self._keep(data, error)
        now = time.monotonic()
        if now - self._told > 20:
            self._told = now
            self._tell()
        if now - self.began > self._seconds:
            self.close()

    def _keep(self, data: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        what = f"{type(error).__name__} at {place}"
        if what in self._seen:
            return
        self._seen[what] = f"{what}: {str(error)[:200]}"
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(what.encode()).hexdigest()[:12]
        (self._folder / name).write_bytes(data)
        (self._folder / f"{name}.txt").write_text("".join(traceback.format_exception(error)))
        print(f"\nFOUND {self._folder / name}: {self._seen[what]}", flush=True)

    def _tell(self) -> None:
        seconds = time.monotonic() - self.began
        print(
            f"{self._target.name}: {self._runs:,} inputs in {seconds:.0f} s, "
            f"{len(self._seen)} ways to fail",
            flush=True,
        )

    def close(self) -> None:
        """Say how it ended; the process' status tells whether there was anything."""
        self._tell()
        sys.stdout.flush()
        os._exit(1 if self._seen else 0)


def _listed() -> int:
    from tests.fuzz.every import TARGETS

    for target in TARGETS.values():
        told = (target.run.__doc__ or "").splitlines()[0]
        print(f"{target.name:10} {told}")
    return 0


def _try(given: Iterable[tuple[str, str, Callable[[], bytes]]]) -> int:
    """Try inputs, each a target's name, its own name and how it is made."""
    from services.shared.errors import PageTimeout
    from tests.fuzz.every import TARGETS
    from tests.fuzz.target import MEMORY_MB, tried
    from worker.extract import warm
    from worker.limits import limit_memory

    warm()
    limit_memory(MEMORY_MB)
    failed = 0
    for target, name, make in given:
        if target not in TARGETS:
            return _unknown(target)
        data = make()
        began = time.process_time()
        problem = ""
        try:
            tried(TARGETS[target], data)
        except (Exception, PageTimeout) as error:  # noqa: BLE001 - told, and counted
            problem = f"FAILED {type(error).__name__}: {error}"
            failed += 1
        taken = time.process_time() - began
        print(f"{target}: {name}: {len(data):,} bytes, {taken:.2f} s {problem}", flush=True)
    return 1 if failed else 0


def _kept() -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Yield the findings that are kept, and the bombs."""
    from tests.fuzz.bombs import BOMBS
    from tests.fuzz.every import TARGETS

    for target in TARGETS.values():
        for path in target.kept():
            yield target.name, path.name, path.read_bytes
    for name, (of, make) in BOMBS.items():
        yield of, name, make


def _unknown(name: str) -> int:
    with suppress(BrokenPipeError):
        print(f"no target {name}: python -m tests.fuzz --list shows them", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
