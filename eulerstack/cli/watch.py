"""`eulerstack watch`: a run of another process, looked at and spoken to."""

from argparse import Namespace

from eulerstack import api
from eulerstack.cli import terminal
from eulerstack.cli.train import told


def run(call: Namespace) -> int:
    """Always 0: a directory without a run raises."""
    found = api.watch(call.run_dir)
    if call.word:
        found.directory.say(call.word)
    if call.follow:
        found.wait(lambda values: terminal.write(told(values)))
    if call.format == "json":
        terminal.write_json(found.to_dict())
    else:
        terminal.show(found)
    return 0
