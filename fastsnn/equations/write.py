# SPDX-License-Identifier: Apache-2.0
"""Write SymPy expressions as statements of the model language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastsnn.equations.read import sympy

_SIGNS = {
    "StrictLessThan": "<", "LessThan": "<=", "StrictGreaterThan": ">", "GreaterThan": ">=",
    "Equality": "==", "Unequality": "!=",
}  # fmt: skip
_FACTOR, _TERM, _WHOLE = 2, 1, 0  # how tightly a text holds together


class Writer:
    """Statements of a `step`; what is made of parameters alone goes to `constants`.

    constant: whether a name is a parameter or dt.   taken: names that are in use.
    """

    def __init__(self, constant: Callable[[str], bool], taken: set[str]) -> None:
        self.constant, self.taken, self.s = constant, taken, sympy()
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}  # name -> expression

    def new(self, stem: str) -> str:
        """A name that nothing else has."""
        name, k = stem, 1
        while name in self.taken:
            name, k = f"{stem}{k}", k + 1
        self.taken.add(name)
        return name

    def assign(self, values: dict[str, Any]) -> None:
        """Assign expressions to names; none may read another's new value.  Common parts once."""
        stems = (self.s.Symbol(self.new("part"), real=True) for _ in iter(int, 1))
        found, results = self.s.cse(map(self.hoisted, values.values()), symbols=stems, order="none")
        parts = dict(found)
        # a changed sign is nothing to share
        signs = {x: v for x, v in found if v.is_Mul and len(v.args) == 2 and v.args[0] == -1}
        every = [(x.name, v) for x, v in parts.items() if x not in signs]
        for name, value in [*every, *zip(values, results, strict=True)]:
            self.lines.append(f"{name} = {self._text(value.xreplace(signs), _WHOLE)}")

    def text(self, value: Any) -> str:
        """An expression in the language."""
        return self._text(self.hoisted(value), _WHOLE)

    def hoisted(self, value: Any) -> Any:
        """The expression with every part that only parameters make up replaced by a constant."""
        if not value.args or value.is_Boolean or value.is_Relational:
            return value.func(*map(self.hoisted, value.args)) if value.args else value
        if self._is_constant(value):
            return value if value.is_number else self._constant(value)
        if value.is_Add or value.is_Mul:
            fixed = [a for a in value.args if self._is_constant(a)]
            moving = [self.hoisted(a) for a in value.args if not self._is_constant(a)]
            if fixed:
                moving.append(self.hoisted(value.func(*fixed)))
            return value.func(*moving, evaluate=False)
        if value.is_Pow:
            return self.s.Pow(self.hoisted(value.base), value.exp, evaluate=False)
        return value.func(*map(self.hoisted, value.args))

    def _is_constant(self, value: Any) -> bool:
        names = {x.name for x in value.free_symbols}
        return all(map(self.constant, names)) and not value.atoms(self.s.Piecewise)

    def _constant(self, value: Any) -> Any:
        for name, known in self.constants.items():
            if known == value:
                return self.s.Symbol(name, real=True)
        name = self.new("fixed")
        self.constants[name] = value
        return self.s.Symbol(name, real=True)

    def _text(self, v: Any, held: int) -> str:
        text, binding = self._shape(v)
        return f"({text})" if binding < held else text

    def _shape(self, v: Any) -> tuple[str, int]:
        if v.is_number and not v.args:
            number = float(v)
            return repr(number), _FACTOR if number >= 0 else _TERM
        if v.is_Symbol:
            return v.name, _FACTOR
        if v.is_Add:
            return self._sum(v), _WHOLE
        if v.is_Mul:
            return self._product(v.args), _TERM
        if v.is_Pow:
            return self._power(v)
        if v.is_Relational:
            sign = _SIGNS[type(v).__name__]
            return f"({self._text(v.lhs, _WHOLE)} {sign} {self._text(v.rhs, _WHOLE)})", _FACTOR
        if isinstance(v, (self.s.And, self.s.Or)):
            sign = " & " if isinstance(v, self.s.And) else " | "
            return f"({sign.join(self._text(a, _FACTOR) for a in v.args)})", _FACTOR
        if isinstance(v, self.s.Not):
            return f"(~{self._text(v.args[0], _FACTOR)})", _FACTOR
        if isinstance(v, self.s.Piecewise):
            text = self._text(v.args[-1].expr, _WHOLE)
            for part in reversed(v.args[:-1]):
                condition = self._text(part.cond, _WHOLE)
                text = f"where({condition}, {self._text(part.expr, _WHOLE)}, {text})"
            return text, _FACTOR
        return self._call(v), _FACTOR

    def _sum(self, v: Any) -> str:
        text = ""
        for term in v.args:
            negative = term.could_extract_minus_sign()
            part = self._text(-term if negative else term, _TERM)
            text += (
                (f" - {part}" if negative else f" + {part}")
                if text
                else (f"-{self._text(-term, _FACTOR)}" if negative else part)
            )
        return text

    def _product(self, args: tuple[Any, ...]) -> str:
        below = [a for a in args if a.is_Pow and a.exp.is_Number and a.exp < 0]
        above = [a for a in args if a not in below]
        if len(above) > 1 and self.s.Integer(-1) in above:
            above.remove(self.s.Integer(-1))
            return "-" + self._text(self.s.Mul(*above, *below, evaluate=False), _FACTOR)
        text = " * ".join(self._text(a, _FACTOR) for a in above) or "1.0"
        under = [self.s.Pow(a.base, -a.exp) for a in below]
        if not under:
            return text
        divisor = " * ".join(self._text(a, _FACTOR) for a in under)
        return f"{text} / " + (f"({divisor})" if len(under) > 1 else divisor)

    def _power(self, v: Any) -> tuple[str, int]:
        base, exponent = v.base, v.exp
        if exponent.is_Number and exponent < 0:
            return self._product((v,)), _TERM
        if exponent == self.s.Rational(1, 2):
            return f"sqrt({self._text(base, _WHOLE)})", _FACTOR
        if exponent.is_Integer and 2 <= exponent <= 8:
            x = self._local(base)
            half = " * ".join([x] * int(exponent))
            return half, _TERM
        if base == self.s.E:
            return f"exp({self._text(exponent, _WHOLE)})", _FACTOR
        return f"exp({self._text(exponent, _FACTOR)} * log({self._text(base, _WHOLE)}))", _FACTOR

    def _local(self, value: Any) -> str:
        """The name of a value that is needed more than once."""
        if value.is_Symbol:
            return value.name
        name, text = self.new("x"), self._text(value, _WHOLE)
        self.lines.append(f"{name} = {text}")
        return name

    def _call(self, v: Any) -> str:
        name = type(v).__name__.lower()
        if name == "exprel":
            x = self._local(v.args[0])
            series = f"1.0 + {x} * (0.5 + {x} * (0.16666667 + {x} * 0.041666668))"
            return f"where(abs({x}) < 0.1, {series}, (exp({x}) - 1.0) / {x})"
        return f"{name}({', '.join(self._text(a, _WHOLE) for a in v.args)})"


class HostWriter(Writer):
    """Expressions of parameters, as `constants` computes them in float64."""

    def hoisted(self, value: Any) -> Any:
        """Nothing is moved."""
        return value

    def _local(self, value: Any) -> str:
        return self._text(value, _FACTOR)

    def _call(self, v: Any) -> str:
        if type(v).__name__ == "exprel":
            return f"exprel({self._text(v.args[0], _WHOLE)})"
        return super()._call(v)
