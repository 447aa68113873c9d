"""The commands that only a notebook has: widgets, and the language of the session."""

from argparse import Namespace
from typing import Any

from eulerstack import api, i18n
from eulerstack.widgets import Playground, PresetBrowser, SpecEditor, TrainingMonitor


def _browse(_: Namespace, __: None) -> PresetBrowser:
    return PresetBrowser()


def _edit(_: Namespace, spec: api.Ref) -> SpecEditor:
    return SpecEditor(spec)


def _monitor(call: Namespace, _: None) -> TrainingMonitor:
    return TrainingMonitor(*call.runs)


def _play(call: Namespace, spec: api.Ref) -> Playground:
    return Playground(spec, twin=call.twin)


def _lang(call: Namespace, _: None) -> None:
    """Speak this language from now on; without one, tell which is spoken."""
    if call.language:
        i18n.choose(call.language)
    print(call.language or i18n.language())


NOTEBOOK_ACTIONS: dict[str, Any] = {"browse": _browse, "edit": _edit, "monitor": _monitor, "play": _play, "lang": _lang}
