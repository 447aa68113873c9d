"""The generated specs reach every key of the language."""

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from eulerstack.schema.base import Keys
from eulerstack.schema.facts import Facts, field_facts, named_fields
from eulerstack.schema.spec import RootKeys
from tests.strategies.attention import latents
from tests.strategies.choices import Frame
from tests.strategies.mixers import SINGLE_MIXERS, mambas, single_mixers
from tests.strategies.schedule import integrators, kv_entries, parallels, plain_entries, schedules
from tests.strategies.sections import abouts, embeddings, rope_scalings, tissues
from tests.strategies.specs import specs
from tests.strategies.templates import moes
from tests.strategies.training import compatibilities, muons, training_hints

RESOLVED_AWAY = {"extends", "let"}
"""Keys that only a document before resolution has; their tests stand with the DSL."""


def names_of(keys: type[Keys], seen: set[type[Keys]]) -> Iterator[str]:
    """Every key below a Keys class."""
    if keys in seen:
        return
    seen.add(keys)
    for name, _ in named_fields(keys):
        yield name
        for nested in _nested(field_facts(keys, name)):
            yield from names_of(nested, seen)


def _nested(facts: Facts) -> tuple[type[Keys], ...]:
    return facts.keys + (_nested(facts.item) if facts.item else ())


def written(value: Any) -> Iterator[str]:
    """Every key that stands in a plain value."""
    match value:
        case dict():
            for key, item in value.items():
                yield key
                yield from written(item)
        case list():
            for item in value:
                yield from written(item)


FRAME = Frame(d_model=32, n_heads=4, positional="rope", own_heads=True)
POOL = {"decoder": {"mixer": {"type": "attention", "attention": {}}, "ffn": {"type": "mlp"}}}
STRATEGIES = (
    specs(),
    *(single_mixers(FRAME, (kind,)) for kind in SINGLE_MIXERS),
    latents(True),
    moes(),
    rope_scalings(4),
    training_hints(),
    muons(),
    mambas(FRAME),
    plain_entries(POOL),
    integrators(POOL),
    parallels(POOL),
    kv_entries(POOL),
    schedules(POOL, None),
    abouts(),
    compatibilities(),
    embeddings("rope", 4),
    tissues({**POOL, "other": POOL["decoder"]}),
)
"""Whole specs, and by themselves the parts with so many keys that few specs have a given one."""


def test_every_key_of_the_language_is_generated():
    found: set[str] = set()
    for strategy in STRATEGIES:

        @settings(max_examples=80, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(strategy)
        def gather(value):
            found.update(written(value))

        gather()
    assert set(names_of(RootKeys, set())) - RESOLVED_AWAY - found == set()
