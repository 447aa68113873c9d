"""Notebook widgets: views on the API."""

from eulerstack.widgets.playground import Playground
from eulerstack.widgets.preset_browser import PresetBrowser
from eulerstack.widgets.spec_editor import SpecEditor
from eulerstack.widgets.training_monitor import TrainingMonitor

__all__ = ["Playground", "PresetBrowser", "SpecEditor", "TrainingMonitor"]
