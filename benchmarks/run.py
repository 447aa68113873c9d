"""Runs every benchmark beside this file, each in its own process, one after another."""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """0 when every benchmark held its goal."""
    scripts = sorted(path for path in Path(__file__).parent.glob("bench_*.py"))
    return max(subprocess.run([sys.executable, str(script)], check=False).returncode for script in scripts)


if __name__ == "__main__":
    sys.exit(main())
