"""Runs of the fault harness: `python -m tests.faults --help`."""

import argparse
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from services.shared.settings import MIB
from tests.faults.faults import FAULTS
from tests.faults.run import Result, bench, plan

#: So much is shown of a line of a log.
LINE = 1000


def main() -> int:
    """Do the runs; return 1 if any has something to complain of."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    kinds = given.faults.split(",") if given.faults else list(FAULTS)
    if unknown := set(kinds) - FAULTS.keys():
        raise SystemExit(f"no such faults: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    results: list[Result] = []
    with bench(min(given.most, len(kinds))) as there:
        lacking = there.lacking(kinds)
        for name, reason in lacking.items():
            _say(f"skipped: {name}: {reason}")
        kinds = [name for name in kinds if name not in lacking]
        for seed in range(given.seed, given.seed + given.runs):
            steps = plan(seed, kinds, given.most, given.shortest, given.longest) if kinds else []
            _say(f"seed {seed}: {', '.join(map(str, steps)) or 'nothing fails'}")
            result = there.run(seed, steps, _say if given.verbose else lambda _: None)
            results.append(result)
            _say(_line(result))
            for complaint in result.complaints[:20]:
                _say(f"  WRONG: {complaint}")
            for name, lines in result.logs.items():
                _say(f"  the end of {name}:")
                for line in lines:
                    _say(f"    {line[:LINE]}")
            if result.complaints and given.stop:
                break
    _table(results)
    wrong = [result.seed for result in results if result.complaints]
    _say(f"{len(results)} runs, {len(wrong)} with complaints{f': seeds {wrong}' if wrong else ''}")
    return bool(wrong)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        epilog="The same --seed, --faults, --most, --shortest and --longest make the same run.",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first run (1)")
    parser.add_argument("--runs", type=int, default=1, help="how many, one seed each (1)")
    parser.add_argument("--most", type=int, default=5, help="faults a run (5); 0: nothing fails")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds a fault lasts at most")
    parser.add_argument(
        "--shortest", type=float, default=0.0, help="seconds a fault that lasts lasts at least"
    )
    parser.add_argument("--faults", help=f"only these: {', '.join(FAULTS)}")
    parser.add_argument("--stop", action="store_true", help="stop at the first run that fails")
    parser.add_argument("--verbose", action="store_true", help="tell each step")
    return parser.parse_args()


def _line(result: Result) -> str:
    recovered = ", ".join(f"{name} {seconds:.1f}" for name, seconds in result.recoveries)
    starts = ", ".join(f"{name} {count}" for name, count in result.starts.items() if count > 1)
    verdict = "WRONG" if result.complaints else "right"
    return (
        f"seed {result.seed}: {verdict} after {result.seconds:.0f} s; recovered (s): {recovered}"
        + (f"; starts: {starts}" if starts else "")
        + "; MB: "
        + ", ".join(
            f"{name} {before / MIB:.0f} to {after / MIB:.0f}"
            for name, (before, after) in result.resident.items()
        )
        + ("; the guard ended the worker that was told to stop" if result.by_guard else "")
    )


def _table(results: Sequence[Result]) -> None:
    by_fault: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for name, seconds in result.recoveries:
            by_fault[name].append(seconds)
    _say(f"\n{'fault':22}{'times':>6}{'median s':>10}{'worst s':>10}")
    for name in FAULTS:
        if found := by_fault.get(name):
            _say(f"{name:22}{len(found):6}{statistics.median(found):10.1f}{max(found):10.1f}")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}" if text and text[0] != "\n" else text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
