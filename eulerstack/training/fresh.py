"""A run in a fresh process, which has seen nothing of the compiler: it has the compiled directory and no more.

The child writes one JSON object per line, `{"progress": …}` for a step and `{"outcome": …}` at the end.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from eulerstack.diagnostics import Reason, error
from eulerstack.training.report import Outcome, Progress

TRAINERS_OWN = "accelerate"
"""What HF Trainer stands on, and what only the extra `train` installs."""


def check_installed() -> None:
    """Raise CompileError where training must fail for want of a package."""
    if find_spec(TRAINERS_OWN) is None:
        raise error("training-needs", params={"package": TRAINERS_OWN})


def train(
    directory: str | Path,
    *,
    seconds: float = 60.0,
    steps: int | None = None,
    seed: int = 0,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """As `quick.train`, in a child process. Raises RuntimeError with the child's last words when it fails.

    Raises CompileError where a package that training needs is not installed.
    """
    check_installed()
    settings = json.dumps({"seconds": seconds, "steps": steps, "seed": seed})
    command = [sys.executable, "-m", __name__, str(directory), settings]
    outcome: Outcome | None = None
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words, text=True, encoding="utf-8")
        try:
            for line in child.stdout or ():
                message = json.loads(line)
                if "outcome" in message:
                    outcome = Outcome(**message["outcome"])
                else:
                    report(Progress(**message["progress"]))
        finally:  # an interrupted caller does not leave a training process behind
            if outcome is None:
                child.terminate()
            code = child.wait()
        words.seek(0)
        if outcome is None:
            raise RuntimeError(f"{Reason('process-ended', {'code': code})}\n{words.read()[-4000:]}")
    return outcome


def main(argv: Sequence[str]) -> None:
    """The child: train, and write what happens to stdout."""
    from eulerstack.training import quick

    directory, settings = argv
    pipe, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints stays out of the pipe

    def say(kind: str, value: Progress | Outcome) -> None:
        print(json.dumps({kind: asdict(value)}), file=pipe, flush=True)

    outcome = quick.train(directory, **json.loads(settings), report=lambda step: say("progress", step))
    say("outcome", outcome)


if __name__ == "__main__":
    main(sys.argv[1:])
