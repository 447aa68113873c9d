"""`eulerstack presets list | show NAME | copy NAME FILE`."""

from argparse import Namespace

from eulerstack import api, arguments, i18n
from eulerstack.cli import terminal
from eulerstack.results.shown import Shown


def run(call: Namespace) -> int:
    """Always 0: an unknown preset and a file that exists raise."""
    match call.action:
        case "list":
            _tell(api.presets(**arguments.preset_filter(call)), call)
        case "show":
            _tell(api.preset_page(call.name), call)
        case "copy":
            api.write_text(call.file, api.preset(call.name).source.text, overwrite=call.overwrite)
            terminal.write(i18n.text("cli", "presets.copied", name=call.name, file=call.file))
    return 0


def _tell(result: Shown, call: Namespace) -> None:
    if call.format == "json":
        terminal.write_json(result.to_dict())
    elif call.action == "show":  # YAML as it stands: it may be piped or copied
        terminal.write(str(result))
    else:
        terminal.show(result)
