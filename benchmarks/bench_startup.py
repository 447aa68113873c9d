"""Start-up: `validate`, `explain`, `schema`, `presets` answer without loading torch. Goal: at most 300 ms of CPU each,
user and system together, with compiled bytecode as an installed package has it.
"""

import os
import resource
import subprocess
import sys
import tempfile

GOAL_MS = 300
RUNS = 15
CALLS = (
    ("validate", "arch_intermediate_mistral"),
    ("explain", "arch_intermediate_mistral", "--format", "json"),
    ("schema", "mixer.attention"),
    ("presets", "list"),
)
PEER = "import transformers; from transformers import AutoModelForCausalLM"


def cpu_ms(command: list[str], environment: dict[str, str]) -> float:
    """CPU milliseconds of a child process, user and system together; the least of several runs after a first one."""
    return min([_once(command, environment) for _ in range(RUNS + 1)][1:])


def _once(command: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main() -> int:
    """Print one line per call; 0 when all keep the goal."""
    kept = True
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = bytecode
        for call in CALLS:
            took = cpu_ms([sys.executable, "-m", "eulerstack", *call], environment)
            kept &= took <= GOAL_MS
            print(f"eulerstack {' '.join(call[:2]):45} {took:6.0f} ms CPU   goal {GOAL_MS}")
        peer = cpu_ms([sys.executable, "-c", PEER], environment)
    print(f"{'peer: importing AutoModelForCausalLM':56} {peer:6.0f} ms CPU")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
