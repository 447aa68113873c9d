"""`eulerstack compile`: a spec becomes JSON, a model directory, or both."""

import sys
from argparse import Namespace

from eulerstack import api, i18n
from eulerstack.cli import terminal
from eulerstack.diagnostics import Severity


def run(call: Namespace) -> int:
    """Always 0: a wrong spec and a directory that may not be written raise."""
    written = bool(call.output or call.output_dir) and not (call.validate_only or call.print_config)
    with terminal.progress(sys.stderr) as tell:
        result = api.compile(
            terminal.spec(call.spec),
            output=call.output,
            output_dir=call.output_dir,
            overwrite=call.overwrite,
            tokenizer=call.tokenizer,
            seed=call.seed,
            twin=call.twin,
            dry_run=not written,
            progress=tell,
        )
    # what is only good to know, validate tells
    terminal.complain(finding for finding in result.findings if finding.severity is not Severity.INFO)
    if written:
        terminal.show(result)
    elif call.validate_only:
        terminal.write(i18n.text("cli", "compile.would-write"))
    else:
        terminal.write_json(result.config)
    return 0
