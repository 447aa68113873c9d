"""The standard library's frozen dataclass at half its start-up time.

`dataclasses` compiles six functions for each class, and a validation loads over a hundred classes. Here comparing,
hashing and printing are three functions that all classes share; the rest is the standard dataclass.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(*, frozen: bool, slots: bool = False, kw_only: bool = False, repr: bool = True):
        """`dataclasses.dataclass` for frozen classes; what a class or (for printing) a base writes itself, it keeps."""

        def made(cls: type) -> type:
            shared = {"__eq__": _equal, "__hash__": _hash} | ({"__repr__": _repr} if repr else {})
            for name, method in shared.items():
                if name not in vars(cls):
                    setattr(cls, name, method)
            return dataclasses.dataclass(frozen=frozen, slots=slots, kw_only=kw_only, repr=False, eq=False)(cls)

        return made


@cache
def _values(cls: Any) -> Callable[[Any], Any]:
    """What reads everything of an instance that counts when two are compared."""
    names = [field.name for field in fields(cls) if field.compare]
    return attrgetter(*names) if names else lambda _: ()


def _equal(self: Any, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = _values(self.__class__)
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(_values(self.__class__)(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"
