"""What a checked document is: typed keys per section, each knowing where it was written."""

from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from eulerstack.diagnostics import Span
from eulerstack.dsl.tree import Mapping, Path, locate
from eulerstack.records import dataclass
from eulerstack.schema.base import Keys
from eulerstack.schema.schedule import EntryKeys
from eulerstack.schema.sections import (
    AboutKeys,
    CompatibilityKeys,
    EmbeddingKeys,
    HeadKeys,
    ModeKeys,
    ModelKeys,
    Text,
    TissueKeys,
    TokenizerKeys,
    TrainingKeys,
    TransitionKeys,
)
from eulerstack.schema.template import TemplateKeys

if TYPE_CHECKING:
    from eulerstack.dsl import Document


class RootKeys(Keys):
    """The root of a spec, as the language describes it. Each section is read on its own, never the whole at once."""

    schema_version: Annotated[int, Field(ge=1, le=1)]
    about: AboutKeys | None = None
    extends: Text | None = None
    let: dict[str, float] = {}
    model: ModelKeys
    tokenizer_contract: TokenizerKeys
    embedding: EmbeddingKeys
    layer_templates: Annotated[dict[str, TemplateKeys], Field(min_length=1)]
    layer_schedule: Annotated[list[EntryKeys], Field(min_length=1)]
    head: HeadKeys
    training_hints: TrainingKeys = TrainingKeys.model_construct()
    compatibility: CompatibilityKeys = CompatibilityKeys.model_construct()
    execution_modes: Annotated[list[ModeKeys], Field(min_length=1)] | None = None
    transition: TransitionKeys | None = None
    tissue: TissueKeys | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A valid spec as its author wrote it: unwritten keys are None or the schema's default.

    `root` is the resolved tree without reserved keys and with overrides in dotted form: the paths of the sections hold
    in it. `reserved` holds what stood under `experimental.`, `future.` and `vendor.<name>.`, by dotted path.
    """

    document: "Document"
    root: Mapping
    model: ModelKeys
    tokenizer_contract: TokenizerKeys
    embedding: EmbeddingKeys
    layer_templates: dict[str, TemplateKeys]
    layer_schedule: list[EntryKeys]
    head: HeadKeys
    training_hints: TrainingKeys
    compatibility: CompatibilityKeys
    about: AboutKeys | None = None
    execution_modes: list[ModeKeys] | None = None
    transition: TransitionKeys | None = None
    tissue: TissueKeys | None = None
    reserved: dict[str, Any] = field(default_factory=dict)

    def span(self, path: Path, *, key: bool = False) -> Span:
        """Where the value (or with `key` the key) at `path` stands; a missing one is placed at its parent."""
        return locate(self.root, path, key=key)
