"""Ablations: the same tasks for several specs of one size, each at its best learning rate, over several seeds."""

from eulerstack.training.ablation.record import Run, Score, Sizes
from eulerstack.training.ablation.study import Study, read_study

__all__ = ["Run", "Score", "Sizes", "Study", "read_study"]
