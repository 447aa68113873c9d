"""`eulerstack presets list | show NAME | copy NAME FILE`."""

from argparse import Namespace

from eulerstack import api, i18n
from eulerstack.cli import terminal


def run(call: Namespace) -> int:
    """Always 0: an unknown preset and a file that exists raise."""
    match call.action:
        case "list" if call.format == "json":
            terminal.write_json(api.presets().to_dict())
        case "list":
            terminal.show(api.presets())
        case "show":
            terminal.write(api.preset(call.name).source.text)
        case "copy":
            api.write_text(call.file, api.preset(call.name).source.text, overwrite=call.overwrite)
            terminal.write(i18n.text("cli", "presets.copied", name=call.name, file=call.file))
    return 0
