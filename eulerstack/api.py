"""The pipeline's commands as functions: what the command line, the magics and the widgets call.

A spec is named by a path, a preset's name or a name that a notebook bound, or given as a `Source` or as YAML text (a
string of more than one line). A wrong spec raises an EulerStackError with all its errors; only `validate` reports them
instead. Nothing but `import_model`, `import_spec` and `register` loads torch; each function loads what it alone needs,
so that `validate`, `schema` and `presets` start fast.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eulerstack import preset_index
from eulerstack.diagnostics import Source, collect, error, reason
from eulerstack.preset_index import Preset
from eulerstack.results.spec_text import SpecText
from eulerstack.specs import Loaded as Loaded
from eulerstack.specs import Ref as Ref
from eulerstack.specs import bindings as bindings
from eulerstack.specs import examined, lookup, unknown
from eulerstack.specs import load as load
from eulerstack.specs import source as source
from eulerstack.specs import twin as twin_text

if TYPE_CHECKING:
    from eulerstack.compiler import Progress
    from eulerstack.compiler.tokenizer import Mode
    from eulerstack.ir.nodes import Model
    from eulerstack.results.ablation import Ablation
    from eulerstack.results.comparison import Comparison
    from eulerstack.results.compilation import Compilation
    from eulerstack.results.coordinate_check import CoordinateCheck
    from eulerstack.results.data_page import DataPage
    from eulerstack.results.difference import SpecDifference
    from eulerstack.results.drawing import Picture
    from eulerstack.results.explanation import Explanation
    from eulerstack.results.key_table import KeyTable
    from eulerstack.results.preset_list import PresetList
    from eulerstack.results.preset_page import PresetPage
    from eulerstack.results.report import Report
    from eulerstack.results.training_run import TrainingRun
    from eulerstack.training.ablation.engine import Engine, Step


def validate(ref: Ref) -> "Report":
    """Everything wrong or remarkable about a spec. Raises only when there is no text to read."""
    return inspect(ref)[0]


def inspect(ref: Ref) -> "tuple[Report, Loaded | None]":
    """What `validate` reports, and what `load` gives: None for a wrong spec."""
    from eulerstack.results.report import Report

    text = source(ref)
    loaded, found = examined(text)
    return Report(text, found, loaded.model if loaded else None), loaded


def explain(
    ref: Ref,
    *,
    seq: int | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    available: int | None = None,
) -> "Explanation":
    """The layers, exact sizes, operations, cache and training memory of a spec's model.

    `batch` sequences of `seq` tokens in `dtype`; unwritten, one sequence of max_seq_len in the model's dtype. With
    `available` bytes of a device it is told whether training fits, and what makes it fit. Raises EulerStackError for a
    wrong spec.
    """
    from eulerstack.ir.workload import Workload
    from eulerstack.results.explanation import Explanation

    loaded = load(ref)
    asked = Workload.of(loaded.model, seq=seq, batch=batch, dtype=dtype)
    return Explanation(loaded.source, loaded.model, asked, available)


def compare(
    before: Ref, after: Ref, *, seq: int | None = None, batch: int | None = None, dtype: str | None = None
) -> "Comparison":
    """Two specs side by side: parameters, operations, cache, training memory, layers; the workload as `explain`'s, but
    unwritten `seq` the shorter of both contexts. Raises EulerStackError for a wrong spec.
    """
    from eulerstack.results.comparison import Comparison

    first, second = load(before), load(after)
    written = {"seq": seq, "batch": batch, "dtype": dtype}
    return Comparison((first.source, second.source), (first.model, second.model), written)


def diff(before: Ref, after: Ref, *, level: Literal["resolved", "authored"] = "resolved") -> "SpecDifference":
    """What differs between two specs, key by key and layer by layer: as they are meant, every default filled and the
    schedule expanded, or with `authored` as they are written. Raises EulerStackError for a wrong one.
    """
    from eulerstack.results.difference import compared

    first, second = load(before), load(after)
    if level == "authored":
        return compared(first.source, second.source, first.document.authored, second.document.authored)
    return compared(first.source, second.source, first.spec.root, second.spec.root, (first.model, second.model))


def compile(
    ref: Ref,
    *,
    output: str | Path | None = None,
    output_dir: str | Path | None = None,
    overwrite: bool = False,
    tokenizer: "Mode" = "auto",
    seed: int | None = None,
    twin: bool = False,
    dry_run: bool = False,
    progress: "Callable[[Progress], None] | None" = None,
) -> "Compilation":
    """Compile a spec, or with `twin` its tiny twin: the JSON runtime configuration to `output`, a model directory to
    `output_dir`, both, or neither. With `dry_run` everything is checked and nothing written.

    Raises EulerStackError for a wrong spec, a place that may not be written.
    """
    from eulerstack.compiler import check_json_target, compile_model, write_json_file
    from eulerstack.results.compilation import Compilation

    loaded = load(ref)
    authored = loaded.source
    if twin:
        loaded = load(twin_text(loaded))
    # a twin is small and narrow on purpose, so what realism says of its numbers is no news
    result = Compilation(loaded.source, loaded.model, () if twin else loaded.findings)
    if dry_run:
        return result
    if output:
        check_json_target(output, authored.path)
    if output_dir:
        directory = compile_model(
            loaded.model,
            output_dir,
            source_text=loaded.source.text,
            overwrite=overwrite,
            tokenizer=tokenizer,
            seed=seed,
            progress=progress,
        )
        result = replace(result, directory=directory, findings=(*result.findings, *directory.warnings))
    if output:
        write_json_file(output, result.config)
        result = replace(result, output=Path(output))
    return result


def shrink(ref: Ref) -> SpecText:
    """A spec's tiny twin: the same pattern of blocks at toy sizes. Raises EulerStackError for a wrong spec."""
    return SpecText(twin_text(load(ref)))


def import_model(
    directory: str | Path,
    output_dir: str | Path,
    *,
    overwrite: bool = False,
    progress: "Callable[[Progress], None] | None" = None,
) -> "Compilation":
    """Convert a HuggingFace directory of a known family, weights and all, to a directory of ours.

    Raises EulerStackError for what cannot be imported exactly. No code of the directory is run.
    """
    from eulerstack import interop
    from eulerstack.ir.print import SPEC_FILE
    from eulerstack.results.compilation import Compilation

    imported = interop.import_model(directory, output_dir, overwrite=overwrite, progress=progress)
    text = Source(SPEC_FILE, imported.yaml)
    return Compilation(text, imported.model, imported.warnings, directory=imported.compiled)


def import_spec(directory: str | Path) -> SpecText:
    """The spec of a HuggingFace directory, without weights. Raises as `import_model`."""
    from eulerstack import interop

    return SpecText(interop.import_spec(directory).source)


def draw(ref: Ref, other: Ref | None = None, *, unfolded: bool = False) -> "Picture":
    """The schedule of a spec's model as a picture, with `unfolded` every layer by itself; with `other` both schedules
    side by side, what differs marked. Raises EulerStackError for a wrong spec.
    """
    from eulerstack.results.drawing import Picture

    loaded = load(ref)
    return Picture(loaded.source, loaded.model, load(other).model if other else None, unfolded)


def train(
    ref: Ref | None = None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    twin: bool = False,
    overwrite: bool = False,
    wait: bool = True,
    report: Callable[[dict[str, Any]], None] = lambda values: None,
    **options: Any,
) -> "TrainingRun":
    """Train a spec's model, its tiny twin, or a compiled directory, in `run_dir` (`runs/<name>`); with `resume` go on
    with the run there. `options`: fields of `training.loop.settings.Options`; the rest `training_hints` say.

    The run is a process of its own, which outlives this one; it is waited for unless `wait` is False, and `report`
    hears each line of its metrics. Raises EulerStackError for a wrong spec or call, and for what stopped the run.
    """
    from eulerstack.results.training_run import TrainingRun
    from eulerstack.runs import begin_run
    from eulerstack.training.loop.launch import follow, launch

    run = TrainingRun(begin_run(ref, run_dir=run_dir, resume=resume, twin=twin, overwrite=overwrite, **options))
    child = launch(run.path)
    if wait:
        follow(child, run.directory, report)
        if run.state.failures:
            raise collect(run.state.diagnostics)
    return run


def watch(run_dir: str | Path) -> "TrainingRun":
    """The run in a directory, wherever its process is. Raises ValidationError where there is none."""
    from eulerstack.results.training_run import TrainingRun

    return TrainingRun(run_dir)


def data(
    ref: Ref,
    *,
    name: str = "python-stdlib",
    text_column: str | None = None,
    tokenizer: str | None = None,
    bpe: int | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> "DataPage":
    """What the text called `name` holds for the tokenizer of a spec or a compiled directory, or for another.

    With `bpe` a byte-level BPE tokenizer of so many tokens is trained on it first, and written to the directory
    `tokenizer`. Tokens are made where they are not kept yet. Raises EulerStackError for a wrong spec, and where text or
    tokenizer are missing.
    """
    from eulerstack.ir.print import SPEC_FILE
    from eulerstack.results.data_page import DataPage
    from eulerstack.runs import compiled_directory
    from eulerstack.training.data import open_source
    from eulerstack.training.data.bpe import train_bpe
    from eulerstack.training.data.look import look

    compiled = compiled_directory(ref)
    model = load(ref if compiled is None else compiled / SPEC_FILE).model
    if bpe is not None:
        if tokenizer is None:
            raise error("bpe-where")
        train_bpe(open_source(name, text_column), bpe, Path(tokenizer))
    store, sample = look(model, compiled, name, text_column, tokenizer, report)
    return DataPage(store, sample, model.vocab_size)


def check_coordinates(
    ref: Ref,
    *,
    widths: Iterable[int] = (),
    twin: bool = False,
    steps: int = 10,
    lr: float = 1e-2,
    seeds: int = 1,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> "CoordinateCheck":
    """μP's coordinate check: are activations as large at every width? `widths` default to one, two, four and eight
    times the base width (without one: an eighth of d_model). Raises EulerStackError for a wrong spec or width.
    """
    from eulerstack.ir.width import UnevenWidth
    from eulerstack.results.coordinate_check import CoordinateCheck
    from eulerstack.training.coordinates import check_coordinates as check

    loaded = load(ref)
    model = load(twin_text(loaded)).model if twin else loaded.model
    base = model.training_hints["scaling"].get("base_width") or max(1, model.d_model // 8)
    chosen = sorted(set(widths)) or [base * factor for factor in (1, 2, 4, 8)]
    try:
        found = check(model, chosen, steps=steps, lr=lr, seeds=seeds, report=report)
    except UnevenWidth as uneven:
        params = {"key": uneven.key, "size": uneven.size, "width": uneven.width}
        raise error("width-uneven", params=params) from None
    return CoordinateCheck(model.name, found)


def ablate(
    study: Ref,
    *,
    run_dir: str | Path | None = None,
    engine: "Engine" = "local",
    retry: bool = False,
    device: str | None = None,
    report: "Callable[[Step], None]" = lambda step: None,
) -> "Ablation":
    """Run a study, given as a file or as YAML: the same tasks for several specs of one size, one run after the other,
    or with `engine` "ray" as many at a time as Ray finds GPUs or cores for.

    Every finished run is kept in `run_dir` (`runs/ablate/<name>`) and not run again, a failed one only with `retry`;
    `report.html` is written beside them. Raises EulerStackError for a wrong study or spec before anything runs.
    """
    from eulerstack.results.ablation import Ablation
    from eulerstack.training.ablation.engine import run_study
    from eulerstack.training.ablation.study import read_study

    read = read_study(source(study))

    def model(spec: str | Source) -> "Model":
        return load(spec if isinstance(spec, Source) else lookup(spec, read.source)).model

    directory = Path(run_dir or Path("runs") / "ablate" / read.slug)
    found = Ablation(run_study(read, model, directory, engine=engine, retry=retry, device=device, report=report))
    write_text(directory / "report.html", found.page(), overwrite=True)
    return found


def schema(path: str = "") -> "KeyTable":
    """The keys of the language at `path`: type, range, default, meaning. Raises ValidationError for no such place."""
    from eulerstack.results.key_table import KeyTable
    from eulerstack.schema.describe import describe

    return KeyTable(describe(path))


def presets(
    *,
    tier: int | None = None,
    level: str | None = None,
    mixer: str | None = None,
    min_params: int | None = None,
    max_params: int | None = None,
) -> "PresetList":
    """The presets that come with the package, or those that fit: a list of `Preset` that shows itself as a table."""
    from eulerstack.results.preset_list import PresetList

    return PresetList(
        preset_index.presets(tier=tier, level=level, mixer=mixer, min_params=min_params, max_params=max_params)
    )


def preset_page(name: str) -> "PresetPage":
    """A preset's description, cost and YAML. Raises ValidationError as `preset` does."""
    from eulerstack.results.preset_page import PresetPage

    found = preset(name)
    return PresetPage(found.source, found, explain(found.source))


def preset(name: str) -> Preset:
    """The preset of this name. Raises ValidationError, naming the nearest one, when there is none."""
    found = preset_index.find(name)
    if found is None:
        raise unknown(name, preset_index.names())
    return found


def register() -> None:
    """Make transformers' Auto classes know the model, so that loading a directory needs no `trust_remote_code`."""
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    from eulerstack.runtime.configuration_eulerstack import EulerStackConfig
    from eulerstack.runtime.modeling_eulerstack import EulerStackForCausalLM, EulerStackModel

    AutoConfig.register(EulerStackConfig.model_type, EulerStackConfig, exist_ok=True)
    AutoModel.register(EulerStackConfig, EulerStackModel, exist_ok=True)
    AutoModelForCausalLM.register(EulerStackConfig, EulerStackForCausalLM, exist_ok=True)


def write_text(path: str | Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text file. Raises ValidationError when it exists and may not be replaced, or cannot be written."""
    try:
        with open(path, "w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise error("file-exists", params={"path": path}) from None
    except (OSError, ValueError) as failure:  # ValueError: a NUL inside the path
        raise error("cannot-write", params={"path": path, "reason": reason(failure)}) from None
