"""How soon an editor has followed a slider: text, validation, cost, picture and sliders anew, for every preset.

The claim is at most 150 ms; there is no peer, for no other editor of architectures counts and draws. Each slider of
each preset is moved to a neighbour and back, and the slowest move counts. Processor time of this one process, so that a
busy machine changes little.
"""

import sys
import time
from collections.abc import Iterator

from eulerstack import preset_index
from eulerstack.widgets import SpecEditor

LIMIT = 0.150
"""Seconds."""


def moves(editor: SpecEditor) -> Iterator[tuple[float, str]]:
    """Seconds of each move, and which slider it was."""
    for name in list(editor.sliders):
        for shift in (1, -1):
            control = editor.sliders[name]
            values = [value for _, value in control.options]
            index = values.index(control.value)
            new = values[index + shift] if 0 <= index + shift < len(values) else values[index - shift]
            if new == control.value:
                continue
            started = time.process_time()
            control.value = new
            yield time.process_time() - started, name


def main() -> int:
    """Print the slowest move of each preset, the slowest presets first; 0 when all are within the limit."""
    SpecEditor("llm_0p1b_simple")  # what is loaded once
    rows = []
    for name in preset_index.names():
        editor = SpecEditor(name)
        seconds, slowest = max(moves(editor))
        rows.append((seconds, name, slowest))
    rows.sort(reverse=True)
    print(f"{'preset':40} {'slider':20} ms")
    for seconds, name, slowest in rows:
        print(f"{name:40} {slowest:20} {1000 * seconds:.0f}")
    print(
        f"slowest {1000 * rows[0][0]:.0f} ms, limit {1000 * LIMIT:.0f} ms: {'ok' if rows[0][0] <= LIMIT else 'MISSED'}"
    )


if __name__ == "__main__":
    sys.exit(main())
