"""Whatever stands in a document, a check ends with diagnostics, each of three lines in both languages."""

import copy
import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eulerstack import i18n
from eulerstack.diagnostics import Source
from eulerstack.dsl import examine
from eulerstack.schema import check
from eulerstack.schema.describe import every_path
from tests.schema.root import EVERYTHING

JUNK = [None, True, 0, -1, 2.5, 1e300, 2**40, "", "64", "auto", "décodeur {x}", [], [[]], [1, "a"], {}, {"type": "x"}]
WORDS = [path.rsplit(".", 1)[-1] for path in every_path()]


def _slots(node, path=()):
    """Every (container, key) of a plain document."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield node, key
        yield from _slots(value)


def _broken(seed: int) -> dict:
    """EVERYTHING with one to six places replaced, removed, renamed or swapped."""
    rng = random.Random(seed)
    document = yaml.safe_load(EVERYTHING)
    for _ in range(rng.randint(1, 6)):
        holder, key = rng.choice(list(_slots(document)))
        other, its_key = rng.choice(list(_slots(document)))
        what = rng.randrange(4)
        if what == 0:
            holder[key] = copy.deepcopy(rng.choice(JUNK))
        elif what == 1 and isinstance(holder, dict):
            del holder[key]
        elif what == 2 and isinstance(holder, dict):
            holder[rng.choice(WORDS)] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(other[its_key])
    return document


def _check(document: object) -> None:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    read, before = examine(Source("model.yml", text))
    if read is None:
        assert before
        return
    result = check(read)
    assert (result.spec is None) or not before
    for diagnostic in result.diagnostics:
        assert diagnostic.span is not None
        for lang in i18n.LANGUAGES:
            with i18n.speaking(lang):
                lines = str(diagnostic).split("\n")
            assert len(lines) == 3
            assert "{nearest}" not in str(lines)


@pytest.mark.parametrize("block", range(8))
def test_mutated_specs(block):
    for seed in range(block * 50, block * 50 + 50):
        _check(_broken(seed))


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**10)
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(WORDS), PLAIN, max_size=8))
def test_random_mappings(document):
    _check(document)


def test_a_document_of_nulls():
    _check({path: None for path in every_path() if "." not in path and path != "extends"})
