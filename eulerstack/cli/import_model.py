"""`eulerstack import`: a HuggingFace directory becomes a spec, and the same model as a directory of ours."""

import sys
from argparse import Namespace
from pathlib import Path

from eulerstack import api
from eulerstack.cli import terminal
from eulerstack.ir.print import SPEC_FILE


def run(call: Namespace) -> int:
    """Always 0: what cannot be imported exactly raises."""
    if call.yaml_only:
        spec = api.import_spec(call.directory)
        target = call.output or (call.output_dir and Path(call.output_dir) / SPEC_FILE)
        if target:
            api.write_text(target, spec.yaml, overwrite=call.overwrite)
        else:
            terminal.write(spec.yaml)
        return 0
    with terminal.progress(sys.stderr) as tell:
        result = api.import_model(call.directory, call.output_dir, overwrite=call.overwrite, progress=tell)
    terminal.complain(result.findings)
    terminal.show(result)
    return 0
