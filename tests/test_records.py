"""Records are the standard library's frozen dataclasses in everything but how fast they load."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace
from inspect import signature
from typing import ClassVar

import pytest

from eulerstack import records


class Point:
    """A class to decorate twice."""

    kind: ClassVar[str] = "point"

    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)
    note: str = field(default="", compare=False, repr=False)
    twice: int = field(init=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "twice", 2 * self.x)


class Named:
    """Keywords only."""

    name: str
    size: float = 1.5


def made(decorate, cls, **settings):
    body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
    body["__annotations__"] = dict(cls.__annotations__)
    return decorate(frozen=True, **settings)(type(cls.__name__, (), body))


SETTINGS = [{"slots": True}, {}, {"slots": True, "kw_only": True}]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("cls", [Point, Named])
def test_they_take_show_and_compare_like_the_standard_ones(cls, settings):
    ours, standard = (made(decorate, cls, **settings) for decorate in (records.dataclass, dataclasses.dataclass))
    first = {"x": 3} if cls is Point else {"name": "a"}
    second = {"x": 4} if cls is Point else {"name": "a", "size": 2.0}
    for values in (first, second):
        mine, theirs = ours(**values), standard(**values)
        assert repr(mine) == repr(theirs)
        assert dataclasses.asdict(mine) == dataclasses.asdict(theirs)
        assert mine == ours(**values)
        assert mine != theirs
    assert ours(**first) != ours(**second)
    assert [(p.name, p.kind) for p in signature(ours).parameters.values()] == [
        (p.name, p.kind) for p in signature(standard).parameters.values()
    ]
    assert hasattr(ours(**first), "__dict__") == hasattr(standard(**first), "__dict__")
    for wrong in ({}, {**first, "z": 1}):
        for each in (ours, standard):
            with pytest.raises(TypeError):
                each(**wrong)


def test_positional_arguments_and_defaults_of_their_own():
    ours = made(records.dataclass, Point, slots=True)
    one, other = ours(1, 5), ours(1, 5)
    assert (one.x, one.y, one.twice, ours.kind) == (1, 5, 2, "point")
    assert one.tags is not other.tags
    assert replace(one, y=7) == ours(1, 7)
    assert ours(1, note="a") == ours(1, note="b")


def test_nothing_can_be_changed():
    record = made(records.dataclass, Named, slots=True)(name="a")
    for change in (
        lambda: setattr(record, "name", "b"),
        lambda: delattr(record, "name"),
        lambda: setattr(record, "z", 1),
    ):
        with pytest.raises(FrozenInstanceError):
            change()
    with pytest.raises(TypeError):
        records.dataclass(frozen=False)


@records.dataclass(frozen=True, slots=True)
class Kept:
    """Found by pickle."""

    name: str
    parts: tuple[int, ...] = ()


def test_they_are_hashed_copied_and_pickled():
    record = Kept("a", (1, 2))
    assert len({record, Kept("a", (1, 2)), Kept("b")}) == 2
    assert pickle.loads(pickle.dumps(record)) == record
    assert copy.deepcopy(record) == copy.copy(record) == record


def test_a_method_that_a_class_writes_is_kept():
    @records.dataclass(frozen=True, slots=True)
    class Loud:
        """Prints itself."""

        name: str

        def __repr__(self):
            return self.name.upper()

    assert repr(Loud("a")) == "A"
