"""Golden files of the presets: what each means, as text whose diff shows what a change did to it.

`python tests/presets/golden.py` (or `make golden`) writes `tests/golden/<preset>/`; tests compare.
"""

import json
from pathlib import Path

from eulerstack import api, library
from eulerstack.compiler.config import config_dict
from eulerstack.ir import laws, parameter_table

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def render(name: str) -> dict[str, str]:
    """The golden files of a preset: canonical spec, config.json, every tensor with shape and initial law."""
    loaded = api.load(name)
    law = laws(loaded.model)
    rows = [
        f"{parameter.name} {list(parameter.shape)} {json.dumps(law[parameter.name])}"
        for parameter in parameter_table(loaded.model)
    ]
    return {
        "ir.yml": loaded.yaml,
        "config.json": json.dumps(config_dict(loaded.model), indent=2, ensure_ascii=False) + "\n",
        "parameters.txt": "\n".join(rows) + "\n",
    }


def main() -> None:
    """Write every preset's golden files and remove those of presets that are gone."""
    for name in library.names():
        folder = GOLDEN / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in render(name).items():
            (folder / file).write_text(text, "utf-8")
    for stale in {folder.name for folder in GOLDEN.iterdir() if folder.is_dir()} - set(library.names()):
        for file in (GOLDEN / stale).iterdir():
            file.unlink()
        (GOLDEN / stale).rmdir()


if __name__ == "__main__":
    main()
