"""Start-up: `validate`, `explain` and `presets` answer without loading torch. Goal: at most 300 ms of CPU time each."""

import resource
import subprocess
import sys

GOAL_MS = 300
RUNS = 5
CALLS = (
    ("validate", "arch_intermediate_mistral"),
    ("explain", "arch_intermediate_mistral", "--format", "json"),
    ("presets", "list", "--format", "json"),
)
PEER = "import transformers; from transformers import AutoModelForCausalLM"


def cpu_ms(command: list[str]) -> float:
    """CPU milliseconds of a child process, user and system together; the least of several runs."""
    return min(_once(command) for _ in range(RUNS))


def _once(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main() -> int:
    """Print one line per call; 0 when all keep the goal."""
    kept = True
    for call in CALLS:
        took = cpu_ms([sys.executable, "-m", "eulerstack", *call])
        kept &= took <= GOAL_MS
        print(f"eulerstack {' '.join(call[:2]):45} {took:6.0f} ms CPU   goal {GOAL_MS}")
    print(f"{'peer: importing AutoModelForCausalLM':56} {cpu_ms([sys.executable, '-c', PEER]):6.0f} ms CPU")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
