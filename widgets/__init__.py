"""Notebook widgets: views on the API."""

from eulerstack.widgets.preset_browser import PresetBrowser
from eulerstack.widgets.spec_editor import SpecEditor
from eulerstack.widgets.training_monitor import TrainingMonitor

__all__ = ["PresetBrowser", "SpecEditor", "TrainingMonitor"]
