"""Synthetic tasks that tell mixers apart in minutes: the six of MAD (Poli 2024) and MQAR (Arora 2023); and text."""

from eulerstack.training.tasks.compression import Compression
from eulerstack.training.tasks.copying import SelectiveCopying
from eulerstack.training.tasks.fuzzy import FuzzyRecall
from eulerstack.training.tasks.memorisation import Memorisation
from eulerstack.training.tasks.multi_query import MultiQueryRecall
from eulerstack.training.tasks.recall import InContextRecall, NoisyRecall
from eulerstack.training.tasks.task import IGNORED, Examples, ImpossibleTask, Split, Task, accuracy
from eulerstack.training.tasks.text import Text

TASKS: dict[str, type[Task]] = {
    "in_context_recall": InContextRecall,
    "fuzzy_recall": FuzzyRecall,
    "noisy_recall": NoisyRecall,
    "selective_copying": SelectiveCopying,
    "compression": Compression,
    "memorisation": Memorisation,
    "mqar": MultiQueryRecall,
    "text": Text,
}
"""By the names that a study uses."""

__all__ = [
    "IGNORED",
    "TASKS",
    "Compression",
    "Examples",
    "FuzzyRecall",
    "ImpossibleTask",
    "InContextRecall",
    "Memorisation",
    "MultiQueryRecall",
    "NoisyRecall",
    "SelectiveCopying",
    "Split",
    "Task",
    "Text",
    "accuracy",
]
