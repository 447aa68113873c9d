"""`let` and `${ … }`: names for numbers, and scalars that are computed from them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from eulerstack.diagnostics import REPORT_LIMIT, Diagnostic, Span, nearest
from eulerstack.dsl.expression import Expression, ExpressionError, Step, parse_expression
from eulerstack.dsl.tree import Entry, Mapping, Node, Scalar, Sequence

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Formula:
    """A `${ … }` scalar, parsed; `offset` is where its expression starts in the scalar's value."""

    scalar: Scalar
    expression: Expression
    offset: int


@dataclass(slots=True)
class Bindings:
    """The names of a `let`, evaluated; and what is wrong with it and with the scalars that use it."""

    values: dict[str, Fraction] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _broken: set[str] = field(default_factory=set)
    _results: dict[str, int | float] = field(default_factory=dict)

    def define(self, let: Node) -> None:
        """Evaluates the mapping of `let`, in whatever order its names need each other."""
        if not isinstance(let, Mapping):
            if not (isinstance(let, Scalar) and let.value is None):
                self._report("let-not-mapping", let.span)
            return
        formulas: dict[str, _Formula] = {}
        for entry in let.entries:
            if not _NAME.fullmatch(entry.key):
                self._report("let-name", entry.key_span, name=entry.key)
            elif (formula := self._definition(entry)) is not None:
                formulas[entry.key] = formula
        for name in _in_order(formulas, self._cycle):
            if name not in self._broken:
                value = self._evaluate(formulas[name])
                if value is None:
                    self._broken.add(name)
                else:
                    self.values[name] = value

    def substitute(self, root: Mapping) -> Mapping:
        """The tree with every `${ … }` replaced by its number."""
        done: dict[int, Node] = {}
        result = self._replaced(root, done)
        assert isinstance(result, Mapping)
        return result

    def _definition(self, entry: Entry) -> _Formula | None:
        """The formula of a name; None when it is a number, which is bound at once, or wrong, which is reported."""
        match entry.value:
            case Scalar(value=bool()) | Scalar(value=None) | Mapping() | Sequence():
                self._report("let-value", entry.value.span, name=entry.key)
            case Scalar(value=int() | float() as number):
                self.values[entry.key] = Fraction(repr(number))
                return None
            case Scalar(value=str() as text) as scalar:
                if "${" in text:
                    formula = self._formula(scalar)
                    if formula is not None:
                        return formula
                else:
                    self._report("let-value", scalar.span, name=entry.key)
        self._broken.add(entry.key)
        return None

    def _replaced(self, node: Node, done: dict[int, Node]) -> Node:
        if isinstance(node, Scalar):
            return self._computed(node) if isinstance(node.value, str) and "${" in node.value else node
        if id(node) not in done:
            if isinstance(node, Sequence):
                items = tuple(self._replaced(item, done) for item in node.items)
                same = all(a is b for a, b in zip(items, node.items, strict=True))
                done[id(node)] = node if same else replace(node, items=items)
            else:
                entries = tuple(replace(e, value=self._replaced(e.value, done)) for e in node.entries)
                same = all(a.value is b.value for a, b in zip(entries, node.entries, strict=True))
                done[id(node)] = node if same else replace(node, entries=entries)
        return done[id(node)]

    def _computed(self, scalar: Scalar) -> Scalar:
        text = str(scalar.value)
        if text not in self._results:
            formula = self._formula(scalar)
            value = self._evaluate(formula) if formula else None
            if value is None:
                return replace(scalar, value=None, written=text)
            self._results[text] = int(value) if value.denominator == 1 else float(value)
        return replace(scalar, value=self._results[text], written=text)

    def _formula(self, scalar: Scalar) -> _Formula | None:
        """Parses `${ … }`; None when it is wrong, which is reported."""
        text = str(scalar.value)
        whole = re.fullmatch(r"\s*\$\{([^{}]*)\}\s*", text)
        if whole is None:
            self._report("expression-not-whole", scalar.span)
            return None
        try:
            return _Formula(scalar, parse_expression(whole.group(1)), whole.start(1))
        except ExpressionError as wrong:
            self._report_inside(scalar, whole.start(1), wrong)
            return None

    def _evaluate(self, formula: _Formula) -> Fraction | None:
        """The value; None when it cannot be had, which is reported (here, or where a name it reads is defined)."""
        names = formula.expression.names()
        unknown = {name: step for name, step in names.items() if name not in self.values and name not in self._broken}
        for name, step in unknown.items():
            close = nearest(name, self.values) if len(self.diagnostics) < REPORT_LIMIT else None
            fix = "fix_nearest" if close else "fix"
            self._report_step("expression-unknown-name", formula, step, fix, name=name, nearest=close or "")
        if unknown or any(name in self._broken for name in names):
            return None
        try:
            return formula.expression.evaluate(self.values.__getitem__)
        except ExpressionError as wrong:
            self._report_inside(formula.scalar, formula.offset, wrong)
            return None

    def _cycle(self, formulas: dict[str, _Formula], chain: list[str]) -> None:
        formula = formulas[chain[0]]
        step = formula.expression.names()[chain[1]]
        self._broken.update(chain)
        shown = chain if len(chain) <= 8 else [*chain[:4], "…", *chain[-3:]]
        self._report_step("let-cycle", formula, step, chain=" → ".join(shown))

    def _report(self, code: str, span: Span, fix: str = "fix", **params: object) -> None:
        self.diagnostics.append(Diagnostic(code=code, span=span, params=params, fix=fix))

    def _report_step(self, code: str, formula: _Formula, step: Step, fix: str = "fix", **params: object) -> None:
        span = inside(formula.scalar, formula.offset + step.start, formula.offset + step.end)
        self._report(code, span, fix, **params)

    def _report_inside(self, scalar: Scalar, offset: int, wrong: ExpressionError) -> None:
        span = inside(scalar, offset + wrong.start, offset + wrong.end)
        self.diagnostics.append(Diagnostic(code=wrong.code, span=span, params=wrong.params))


def _in_order(
    formulas: dict[str, _Formula], on_cycle: Callable[[dict[str, _Formula], list[str]], None]
) -> Iterator[str]:
    """The names so that each comes after those it reads. Without recursion: chains may be long."""
    state: dict[str, bool] = {}  # False: on the way, True: done
    for first in formulas:
        if first in state:
            continue
        way: list[tuple[str, Iterator[str]]] = [(first, iter(formulas[first].expression.names()))]
        state[first] = False
        while way:
            name, reads = way[-1]
            following = next((read for read in reads if read in formulas and state.get(read) is not True), None)
            if following is None:
                state[name] = True
                way.pop()
                yield name
            elif following in state:
                chain = [step for step, _ in way]
                on_cycle(formulas, [*chain[chain.index(following) :], following])
            else:
                state[following] = False
                way.append((following, iter(formulas[following].expression.names())))


def inside(scalar: Scalar, start: int, end: int) -> Span:
    """The place of `scalar.value[start:end]` in the text; the whole scalar where escapes or folding hide it."""
    span = scalar.span
    value = str(scalar.value).strip()
    lead = len(str(scalar.value)) - len(str(scalar.value).lstrip())
    for number in range(span.line, min(span.end_line, span.line + 3) + 1):
        line = span.source.line(number)
        column = line.find(value, span.column - 1 if number == span.line else 0)
        if column >= 0:
            left = column + start - lead + 1
            return Span(span.source, number, left, number, max(left + 1, column + end - lead + 1))
    return span
