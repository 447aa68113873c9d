"""What each command does in a notebook: call api and give its result back. A wrong spec raises."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.display import display

from eulerstack import api
from eulerstack.arguments import preset_filter, training_options, workload
from eulerstack.diagnostics import collect
from eulerstack.ir.print import SPEC_FILE
from eulerstack.magics.curve import live_curve
from eulerstack.magics.progress import progress_bar
from eulerstack.magics.study_bar import study_bar
from eulerstack.results.shown import Shown
from eulerstack.results.spec_text import SpecText

Action = Callable[[Namespace, Any], Shown]


def _show(_: Namespace, spec: api.Ref) -> Shown:
    """The bare cell magic: what there is to say about the spec, then the model and its drawing."""
    report = api.validate(spec)
    if report.explanation is None:
        raise collect(report.errors)
    if report.findings:
        display(report)
    return report.explanation


def _validate(call: Namespace, spec: api.Ref) -> Shown:
    report = api.validate(spec)
    if not report.ok or (call.strict and report.warnings):
        raise collect(report.errors or report.warnings)
    return report


def _explain(call: Namespace, spec: api.Ref) -> Shown:
    asked = workload(call)
    if call.other:
        return api.compare(spec, call.other, **asked)
    return api.explain(spec, **asked, available=call.fits)


def _diff(call: Namespace, spec: api.Ref) -> Shown:
    # over a cell: what the cell makes different from the other one
    before, after = (spec, call.other) if "spec" in call else (call.other, spec)
    return api.diff(before, after, level=call.level)


def _compile(call: Namespace, spec: api.Ref) -> Shown:
    with progress_bar() as tell:
        return api.compile(
            spec,
            output=call.output,
            output_dir=call.output_dir,
            overwrite=call.overwrite,
            tokenizer=call.tokenizer,
            seed=call.seed,
            twin=call.twin,
            dry_run=call.validate_only or call.print_config,
            progress=tell,
        )


def _import(call: Namespace, _: None) -> Shown:
    if not call.yaml_only:
        with progress_bar() as tell:
            return api.import_model(call.directory, call.output_dir, overwrite=call.overwrite, progress=tell)
    spec = api.import_spec(call.directory)
    target = call.output or (call.output_dir and Path(call.output_dir) / SPEC_FILE)
    if target:
        api.write_text(target, spec.yaml, overwrite=call.overwrite)
    return spec


def _schema(call: Namespace, _: None) -> Shown:
    return api.schema(call.path)


def _presets(call: Namespace, _: None) -> Shown:
    if call.action == "list":
        return api.presets(**preset_filter(call))
    if call.action == "show":
        return api.preset_page(call.name)
    text = SpecText(api.preset(call.name).source)
    api.write_text(call.file, text.yaml, overwrite=call.overwrite)
    return text


def _shrink(call: Namespace, spec: api.Ref) -> Shown:
    twin = api.shrink(spec)
    if call.output:
        api.write_text(call.output, twin.yaml, overwrite=call.overwrite)
    return twin


def _draw(call: Namespace, spec: api.Ref) -> Shown:
    picture = api.draw(spec, call.other, unfolded=call.unfold)
    if call.output:
        picture.save(call.output)
    return picture


def _train(call: Namespace, spec: api.Ref | None) -> Shown:
    with live_curve() as report:
        return api.train(spec, wait=not call.detach, report=report, **training_options(call))


def _ablate(call: Namespace, study: api.Ref | None) -> Shown:
    with study_bar() as report:
        return api.ablate(
            study or call.study, run_dir=call.run_dir, engine=call.engine, retry=call.retry, report=report
        )


def _watch(call: Namespace, _: None) -> Shown:
    run = api.watch(call.run_dir)
    if call.word:
        run.directory.say(call.word)
    if call.follow:
        with live_curve() as report:
            run.wait(report)
    return run


def _data(call: Namespace, spec: api.Ref) -> Shown:
    return api.data(spec, name=call.data, text_column=call.text_column, tokenizer=call.tokenizer, bpe=call.bpe)


def _coord_check(call: Namespace, spec: api.Ref) -> Shown:
    found = api.check_coordinates(
        spec, widths=call.widths, twin=call.twin, steps=call.steps, lr=call.lr, seeds=call.seeds
    )
    if call.output:
        api.write_text(call.output, found.svg(), overwrite=call.overwrite)
    return found


ACTIONS: dict[str, Action] = {
    "show": _show,
    "validate": _validate,
    "explain": _explain,
    "diff": _diff,
    "compile": _compile,
    "import": _import,
    "schema": _schema,
    "presets": _presets,
    "shrink": _shrink,
    "draw": _draw,
    "train": _train,
    "watch": _watch,
    "ablate": _ablate,
    "data": _data,
    "coord-check": _coord_check,
}
