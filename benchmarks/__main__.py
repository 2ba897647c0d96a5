"""`python -m benchmarks`: run them, and print one table."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from benchmarks.figure import Figure, Settings
from benchmarks.registry import BENCHMARKS
from benchmarks.report import machine, table


def main() -> int:
    arguments = _arguments()
    settings = Settings(arguments.cache, arguments.rounds)
    settings.cache.mkdir(parents=True, exist_ok=True)
    wanted = [
        benchmark
        for benchmark in BENCHMARKS
        if (benchmark.name in arguments.only if arguments.only else arguments.large or not benchmark.large)
    ]
    figures: list[Figure] = []
    broken = False
    for benchmark in wanted:
        print(f"{benchmark.name}: {benchmark.title} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            figures.extend(benchmark.run(settings))
        except Exception:  # noqa: BLE001 (what the others find is still worth printing)
            broken = True
            traceback.print_exc()
        print(f"{benchmark.name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(*table(figures), "", machine(), sep="\n")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--large", action="store_true", help="10 million lines too: minutes, and 3 GB of cache"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[benchmark.name for benchmark in BENCHMARKS],
        help=f"only this (repeatable): {', '.join(benchmark.name for benchmark in BENCHMARKS)}",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each process (default 3)")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "llmwatch-benchmarks",
        metavar="DIR",
        help="where input files are kept between runs (default %(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
