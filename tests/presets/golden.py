"""Golden files of the presets: what each means, as text whose diff shows what a change did to it.

`python tests/presets/golden.py` (or `make golden`) writes `tests/golden/<preset>/`; tests compare.
"""

import json
import re
from pathlib import Path
from typing import Any

from eulerstack import api, preset_index
from eulerstack.compiler.config import config_dict
from eulerstack.ir import laws, parameter_table
from eulerstack.ir.nodes import Model

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
WIDTH = 120

_MODULE = re.compile(r"(?P<list>.*?)\.(?P<index>\d+)\.(?P<below>.*)")


def render(name: str) -> dict[str, str]:
    """The golden files of a preset: canonical spec, config.json, every tensor with shape and initial law."""
    loaded = api.load(name)
    return {
        "ir.yml": loaded.yaml,
        "config.json": _json(config_dict(loaded.model)) + "\n",
        "parameters.txt": _parameters(loaded.model),
    }


def _json(value: Any, indent: int = 0) -> str:
    """JSON with every list and mapping that fits on one line on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + len(flat) <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, list):
        lines = [_json(item, indent + 2) for item in value]
    else:
        lines = [f"{json.dumps(key)}: {_json(item, indent + 2)}" for key, item in value.items()]
    left, right = "[]" if isinstance(value, list) else "{}"
    return left + "\n" + ",\n".join(pad + line for line in lines) + "\n" + " " * indent + right


def _parameters(model: Model) -> str:
    """One line for each tensor; modules of one list that have the same tensors are written once, under all indices."""
    law = laws(model)
    modules: dict[str, dict[int, list[str]]] = {}
    lines: dict[str, list[str]] = {}
    for parameter in parameter_table(model):
        told = f"{list(parameter.shape)} {json.dumps(law[parameter.name])}"
        if found := _MODULE.fullmatch(parameter.name):
            modules.setdefault(found["list"], {}).setdefault(int(found["index"]), []).append(f"{found['below']} {told}")
            lines.setdefault(found["list"], [])
        else:
            lines[f"{parameter.name} {told}"] = []
    for name, of_index in modules.items():
        alike: dict[tuple[str, ...], list[int]] = {}
        for index, tensors in of_index.items():
            alike.setdefault(tuple(tensors), []).append(index)
        for tensors, indices in alike.items():
            lines[name] += [f"{name}.{{{','.join(map(str, indices))}}}", *(f"  {tensor}" for tensor in tensors)]
    return "".join(f"{line}\n" for head, below in lines.items() for line in below or [head])


def main() -> None:
    """Write every preset's golden files and remove those of presets that are gone."""
    for name in preset_index.names():
        folder = GOLDEN / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in render(name).items():
            (folder / file).write_text(text, "utf-8")
    for stale in {folder.name for folder in GOLDEN.iterdir() if folder.is_dir()} - set(preset_index.names()):
        for file in (GOLDEN / stale).iterdir():
            file.unlink()
        (GOLDEN / stale).rmdir()


if __name__ == "__main__":
    main()
