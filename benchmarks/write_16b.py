"""A directory of 16 billion parameters: 32 GB in bfloat16, written by a process with a few hundred MiB.

By itself (`python benchmarks/write_16b.py [FOLDER]`), not among those of `make bench`: it takes minutes, and the disk.
The directory is removed afterwards. Goal: no more than 300 MiB of memory above what the imports take.
"""

import json
import subprocess
import sys
import tempfile

GOAL_MIB = 300
PRESET = "llm_16b_simple"
WORK = f"""
import json, resource, sys, time
import numpy, tokenizers
from eulerstack import api
import eulerstack.compiler
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
made = api.compile("{PRESET}", output_dir=sys.argv[1] + "/model", tokenizer="skip").directory
seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = {{"seconds": seconds, "parameters": made.parameters, "bytes": made.bytes, "mib": (peak - before) / 1024}}
print(json.dumps(found))
"""


def main() -> int:
    """0 when the goal was held."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as scratch:
        done = subprocess.run([sys.executable, "-c", WORK, scratch], check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    rate = found["bytes"] / found["seconds"] / 1e6
    print(
        f"{PRESET}: {found['parameters'] / 1e9:.2f} B parameters, {found['bytes'] / 1e9:.1f} GB in "
        f"{found['seconds']:.0f} s ({rate:.0f} MB/s), {found['mib']:.0f} MiB above the imports (goal {GOAL_MIB})"
    )
    return int(found["mib"] > GOAL_MIB)


if __name__ == "__main__":
    sys.exit(main())
