"""`${ expr }`: exact arithmetic over numbers and `let.<name>`.

    expr  = term  { ("+" | "-") term }
    term  = unary { ("*" | "/" | "//") unary }
    unary = "-" unary | number | "let." name | "(" expr ")"

Values are rational numbers, so that `${ 1.1 * 10 }` is 11 and not 11.000000000000002; the result is an integer where
it is whole, else the nearest float. The parser is a shunting yard and the evaluator a stack machine: neither recurses,
whatever the parentheses.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from eulerstack.records import dataclass

MAX_LENGTH = 1_000
"""The longest expression, in characters."""
MAX_BITS = 1_024
"""No number on the way may need more; a float's range ends there too."""
MAX_EXPONENT = 308

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|let\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>//|[-+*/()]))(?![\w.])?",
    re.ASCII,
)
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "neg": 3}


class ExpressionError(Exception):
    """What is wrong with an expression: the diagnostic's code and numbers, and where in the expression's text."""

    def __init__(self, code: str, start: int, end: int, **params: object):
        super().__init__(code)
        self.code, self.start, self.end, self.params = code, start, end, params


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the stack machine: push a number, push a name's value, or apply an operator."""

    kind: str
    value: Fraction | str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression in postfix order."""

    steps: tuple[Step, ...]

    def names(self) -> dict[str, Step]:
        """The names it reads, each with the step that reads it first."""
        found: dict[str, Step] = {}
        for step in self.steps:
            if step.kind == "name":
                found.setdefault(str(step.value), step)
        return found

    def evaluate(self, value_of: Callable[[str], Fraction]) -> Fraction:
        """The exact value. Raises ExpressionError for a division by zero and for numbers beyond `MAX_BITS`."""
        stack: list[Fraction] = []
        for step in self.steps:
            if step.kind == "number":
                assert isinstance(step.value, Fraction)
                stack.append(step.value)
            elif step.kind == "name":
                stack.append(value_of(str(step.value)))
            elif step.kind == "neg":
                stack.append(-stack.pop())
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(_apply(step, left, right))
        return stack.pop()


def _apply(step: Step, left: Fraction, right: Fraction) -> Fraction:
    if step.kind in ("/", "//") and right == 0:
        raise ExpressionError("expression-division-by-zero", step.start, step.end)
    match step.kind:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case "/":
            result = left / right
        case _:
            result = Fraction(left // right)
    if max(result.numerator.bit_length(), result.denominator.bit_length()) > MAX_BITS:
        raise ExpressionError("expression-too-large", step.start, step.end)
    return result


def parse_expression(text: str) -> Expression:
    """The expression between `${` and `}`. Raises ExpressionError with the place in `text`."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError("expression-too-long", 0, len(text), length=len(text), limit=MAX_LENGTH)
    if not text.strip():
        raise ExpressionError("expression-empty", 0, len(text))
    output: list[Step] = []
    operators: list[Step] = []
    wants_operand = True
    for step in _tokens(text):
        if step.kind in ("number", "name"):
            _expect(wants_operand, step, text)
            output.append(step)
            wants_operand = False
        elif step.kind == "(":
            _expect(wants_operand, step, text)
            operators.append(step)
        elif step.kind == ")":
            _expect(not wants_operand, step, text)
            while operators and operators[-1].kind != "(":
                output.append(operators.pop())
            if not operators:
                raise ExpressionError("expression-syntax", step.start, step.end, found=")")
            operators.pop()
        elif wants_operand:
            _expect(step.kind == "-", step, text)
            operators.append(Step("neg", None, step.start, step.end))
        else:
            while operators and _PRECEDENCE.get(operators[-1].kind, 0) >= _PRECEDENCE[step.kind]:
                output.append(operators.pop())
            operators.append(step)
            wants_operand = True
    if wants_operand:
        raise ExpressionError("expression-incomplete", len(text.rstrip()), len(text.rstrip()) + 1)
    while operators:
        step = operators.pop()
        if step.kind == "(":
            raise ExpressionError("expression-parenthesis", step.start, step.end)
        output.append(step)
    return Expression(tuple(output))


def _expect(right: bool, step: Step, text: str) -> None:
    if not right:
        raise ExpressionError("expression-syntax", step.start, step.end, found=text[step.start : step.end])


def _tokens(text: str) -> list[Step]:
    steps: list[Step] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _no_token(text, position)
        kind = match.lastgroup or ""
        start = match.start(kind) - (4 if kind == "name" else 0)
        token = match.group(kind)
        if kind == "number":
            steps.append(Step("number", _number(token, start, match.end()), start, match.end()))
        else:
            steps.append(Step("name" if kind == "name" else token, token, start, match.end()))
        position = match.end()
    return steps


def _no_token(text: str, position: int) -> ExpressionError:
    start = position + len(text[position:]) - len(text[position:].lstrip())
    word = re.match(r"[A-Za-z_][\w.]*|.", text[start:])
    found = word.group() if word else text[start]
    code = "expression-bare-name" if re.match(r"[A-Za-z_]", found) else "expression-syntax"
    return ExpressionError(code, start, start + len(found), found=found)


def _number(token: str, start: int, end: int) -> Fraction:
    _, _, exponent = token.lower().partition("e")
    if abs(int(exponent or 0)) > MAX_EXPONENT:
        raise ExpressionError("expression-too-large", start, end)
    if re.fullmatch(r"0\d+", token):
        raise ExpressionError("leading-zero", start, end, number=token, decimal=token.lstrip("0") or "0")
    value = Fraction(token)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS + 64:
        raise ExpressionError("expression-too-large", start, end)
    return value
