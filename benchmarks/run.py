"""Runs benchmarks, each in its own process, one after another: those named, or every one beside this file.

`--record` writes what each printed, with the machine, the day and whether the goal was met, to docs/measured, which
`docs/build.py` makes a page of. Other options, as --option=value, are handed to the benchmarks.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORDS = HERE.parent / "docs" / "measured"


def run(script: Path, options: list[str], recorded: bool) -> int:
    """Run one, its output shown as it comes; its exit code."""
    command = [sys.executable, "-u", str(script), *options]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if recorded:
        record = {
            "met": child.returncode == 0,
            "date": datetime.now(UTC).date().isoformat(),
            "threads": threads(script),
            **machine(),
            "output": lines,
        }
        RECORDS.mkdir(exist_ok=True)
        (RECORDS / f"{script.stem}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return child.returncode


def threads(script: Path) -> int | None:
    """How many threads a script lets torch have, where it says."""
    found = re.search(r"torch\.set_num_threads\((\d+)\)", script.read_text("utf-8"))
    return int(found.group(1)) if found else None


def machine() -> dict[str, Any]:
    """The processor, its cores, and the versions that matter."""
    processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": processor.group(1) if processor else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "transformers")},
    }


def main() -> int:
    """0 when every benchmark held its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write docs/measured/NAME.json")
    parser.add_argument("names", nargs="*", metavar="NAME", help="bench_… without .py")
    asked, options = parser.parse_known_args()
    scripts = [HERE / f"{name}.py" for name in asked.names] or sorted(HERE.glob("bench_*.py"))
    return max(run(script, options, asked.record) for script in scripts)


if __name__ == "__main__":
    sys.exit(main())
