"""The standard library's frozen dataclass at a third of its start-up time.

`dataclasses` compiles six functions for each class, and a validation loads over a hundred of them. Here `__init__`
alone is compiled; comparing, hashing, printing, refusing changes and pickling are functions that all classes share.
Fields, `replace`, `fields` and `asdict` are the standard ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool, slots: bool = False, kw_only: bool = False, repr: bool = True):
        """`dataclasses.dataclass` for frozen classes; the methods that a class writes itself, it keeps."""
        if not frozen:
            raise TypeError("these dataclasses are frozen")

        def made(cls: type) -> type:
            for name, method in SHARED.items():
                if name not in vars(cls) and (repr or name != "__repr__"):
                    setattr(cls, name, method)
            plain = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
            cls = plain(cls)
            cls.__init__ = _init(cls)
            return cls

        return made


_SET = object.__setattr__


def _init(cls: type) -> Callable[..., None]:
    """The constructor: arguments as the standard dataclass takes them, then `__post_init__` where there is one."""
    everything = fields(cls)
    names: dict[str, Any] = {"_set": _SET, "_missing": MISSING}
    for field in everything:
        names[f"_default_{field.name}"] = field.default
        names[f"_make_{field.name}"] = field.default_factory
    taken = [field for field in everything if field.init]
    positional = [_parameter(field) for field in taken if not field.kw_only]
    named = [_parameter(field) for field in taken if field.kw_only]
    signature = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    body = [line for field in everything for line in _assignment(field)]
    body += ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    source = f"def __init__({signature}):\n    " + "\n    ".join(body or ["pass"])
    exec(source, names)
    made: Any = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _parameter(field: Field) -> str:
    if field.default is not MISSING:
        return f"{field.name}=_default_{field.name}"
    return field.name if field.default_factory is MISSING else f"{field.name}=_missing"


def _assignment(field: Field) -> Iterator[str]:
    name = field.name
    if field.default_factory is not MISSING:
        fallback = f"_make_{name}()" if not field.init else f"_make_{name}() if {name} is _missing else {name}"
        yield f"_set(self, {name!r}, {fallback})"
    elif field.init:
        yield f"_set(self, {name!r}, {name})"


@cache
def _values(cls: Any) -> Callable[[Any], Any]:
    """What reads everything of an instance that counts when two are compared."""
    names = [field.name for field in fields(cls) if field.compare]
    return attrgetter(*names) if names else lambda _: ()


def _counted(record: Any) -> Any:
    """What counts of an instance."""
    return _values(record.__class__)(record)


def _equal(self: Any, other: object) -> bool:
    return bool(_counted(self) == _counted(other)) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_counted(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse(self: Any, name: str, *value: object) -> NoReturn:
    raise FrozenInstanceError(f"{name} of a {self.__class__.__qualname__} cannot change")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for field, value in zip(fields(self), state, strict=True):
        _SET(self, field.name, value)


SHARED: dict[str, Callable[..., Any]] = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _state,
    "__setstate__": _restore,
}
"""What every class has unless it writes its own."""
