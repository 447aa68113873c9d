"""A run in a process of its own, which outlives whoever began it: a notebook's kernel, a terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eulerstack.diagnostics import Reason, error
from eulerstack.training.loop.directory import RunDirectory

OUTPUT = "output.log"
"""What the process and its libraries print, in the run directory."""

POLL = 0.2
"""Seconds between two looks at the directory."""


def launch(path: Path) -> subprocess.Popen[bytes]:
    """Begin or go on with the run in a directory."""
    with open(path / OUTPUT, "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "eulerstack.training.loop.run", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "TRANSFORMERS_VERBOSITY": "error"},
        )


def follow(child: subprocess.Popen[bytes], run: RunDirectory, report: Callable[[dict[str, Any]], None]) -> None:
    """Wait for the run's process; `report` hears every line of metrics. Interrupted, it tells the run to stop and waits
    for its checkpoint. Raises CompileError where the process ended without a word.
    """
    heard = len(run.metrics())
    try:
        while child.poll() is None:
            heard = _tell(run, heard, report)
            time.sleep(POLL)
    except KeyboardInterrupt:
        run.say("stop")
        child.wait()
    _tell(run, heard, report)
    if child.returncode and not run.state().failures:
        why = Reason("process-ended", {"code": child.returncode, "log": run.path / OUTPUT})
        raise error("training-failed", params={"reason": why})


def _tell(run: RunDirectory, heard: int, report: Callable[[dict[str, Any]], None]) -> int:
    lines = run.metrics()
    for line in lines[heard:]:
        report(line)
    return max(heard, len(lines))
