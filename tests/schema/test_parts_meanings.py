"""Every key of a layer's parts says what it means, in English and Korean."""

import pytest

from eulerstack.i18n import LANGUAGES, catalogue
from eulerstack.schema.ffn import FfnKeys
from eulerstack.schema.memory import MemoryKeys
from eulerstack.schema.mixers import MixerKeys
from tests.schema.parts import every_key


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("prefix", "keys"), [("mixer", MixerKeys), ("ffn", FfnKeys), ("memory", MemoryKeys)])
def test_every_key_has_a_meaning_and_nothing_else_has(lang, prefix, keys):
    known = {path for path, _, _ in every_key(keys, prefix)} | {prefix}
    told = {path for path in catalogue(lang, "schema") if path.split(".")[0] == prefix}
    assert told == known
