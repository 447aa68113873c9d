"""How a training run begins: its model compiled, its questions answered and written down, before any process starts."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eulerstack.compiler import Mode, compile_model
from eulerstack.diagnostics import EulerStackError, error
from eulerstack.dsl import read_file
from eulerstack.ir.print import SPEC_FILE
from eulerstack.specs import Ref, load, source
from eulerstack.specs import twin as twin_of
from eulerstack.training.loop.directory import RunDirectory, new_run
from eulerstack.training.loop.settings import Options, read_config, settings_for

TRAINERS_OWN = "accelerate"
"""What HF Trainer stands on, and what only the extra `train` installs."""


def check_installed() -> None:
    """Raise CompileError where training must fail for want of a package."""
    if find_spec(TRAINERS_OWN) is None:
        raise error("training-needs", params={"package": TRAINERS_OWN})


def begin_run(
    ref: Ref | None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    twin: bool = False,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Write down what a run is asked, its model compiled, and give its directory; `api.train` then runs it."""
    check_installed()
    asked = Options(**options)
    asked.check()
    if resume:
        found = RunDirectory(run_dir or default_directory(ref, twin))
        found.check()
        if asked != Options():
            raise error("resume-as-asked")
        found.hush()  # what was said to the process that is gone
        return found.path
    if ref is None:
        raise no_spec()
    compiled = compiled_directory(ref)
    spec = source(ref) if compiled is None else read_file(compiled / SPEC_FILE)
    with new_run(Path(run_dir or default_directory(ref, twin)), overwrite=overwrite) as run:
        model, factor = compiled, 1.0
        if model is None or twin:
            whole = load(spec)
            built = load(twin_of(whole)) if twin else whole
            tokenizer: Mode = "skip" if asked.tokenizer else "auto"
            compile_model(built.model, run.model, source_text=built.source.text, tokenizer=tokenizer)
            # Adam's best rate falls as width grows (Yang 2022), and the hints' is for the whole model
            model, factor = run.model, whole.model.d_model / built.model.d_model
        run.begin(settings_for(model, asked, lr_factor=factor), (model / SPEC_FILE).read_text("utf-8"))
    return run.path


def compiled_directory(ref: Ref | None) -> Path | None:
    """The directory, if it is one that `compile` wrote. Raises ValidationError for any other directory."""
    if not isinstance(ref, (str, Path)) or "\n" in str(ref) or not Path(ref).is_dir():
        return None
    read_config(ref)
    return Path(ref)


def default_directory(ref: Ref | None, twin: bool) -> Path:
    """`runs/<name>`, where a run lives unless told otherwise."""
    if ref is None:
        raise no_spec()
    compiled = compiled_directory(ref)
    name = compiled.resolve().name if compiled else load(ref).model.name
    return Path("runs") / (f"{name}-tiny" if twin else name)


def no_spec() -> EulerStackError:
    """The error that nothing was named to train."""
    return error("no-spec", params={"command": "eulerstack train"})
