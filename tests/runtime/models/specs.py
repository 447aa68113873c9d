"""A tiny model of every kind, by name: what the runtime's tests run on."""

from tests.runtime.models.families.attention import ATTENTIONS
from tests.runtime.models.families.branched import BRANCHED
from tests.runtime.models.families.compression import COMPRESSED
from tests.runtime.models.families.decoder import DECODERS
from tests.runtime.models.families.experts import MIXTURES
from tests.runtime.models.families.inner import TRAINED_INSIDE
from tests.runtime.models.families.recurrent import RECURRENT
from tests.runtime.models.families.schedule import SCHEDULED
from tests.runtime.models.families.sections import EXTENDED

FAMILIES = (DECODERS, ATTENTIONS, COMPRESSED, MIXTURES, RECURRENT, TRAINED_INSIDE, BRANCHED, SCHEDULED, EXTENDED)

SPECS = {name: spec for family in FAMILIES for name, spec in family.items()}
assert len(SPECS) == sum(map(len, FAMILIES)), "a name stands in two families"
