# SPDX-License-Identifier: Apache-2.0
"""Surrogate derivatives of the threshold, functions of the model language.

u: what is compared with zero, v - v_thresh.   alpha: how narrow the derivative is.
"""

from __future__ import annotations

import math

from fastsnn.errors import ModelError
from fastsnn.models.language import abs, exp, where
from fastsnn.models.syntax import Body, parse


def atan(u, alpha):
    """alpha / 2 / (1 + (pi / 2 alpha u)^2).  Source: Fang et al. 2021."""
    x = 1.5707963267948966 * alpha * u
    return 0.5 * alpha / (1.0 + x * x)


def sigmoid(u, alpha):
    """Derivative of the logistic function 1 / (1 + exp(-alpha u))."""
    e = exp(-(alpha * abs(u)))
    return alpha * e / ((1.0 + e) * (1.0 + e))


def fast_sigmoid(u, alpha):
    """1 / (1 + alpha |u|)^2.  Source: Zenke, Ganguli 2018."""
    x = 1.0 + alpha * abs(u)
    return 1.0 / (x * x)


def superspike(u, alpha):
    """alpha / (1 + |u|)^2, as SpikingJelly has it."""
    x = 1.0 + abs(u)
    return alpha / (x * x)


def soft_sign(u, alpha):
    """alpha / 2 / (1 + alpha |u|)^2."""
    x = 1.0 + alpha * abs(u)
    return 0.5 * alpha / (x * x)


def triangle(u, alpha):
    """alpha max(0, 1 - |u|).  Source: Bellec et al. 2018."""
    x = 1.0 - abs(u)
    return alpha * where(x > 0.0, x, 0.0)


def piecewise_quadratic(u, alpha):
    """alpha max(0, 1 - alpha |u|)."""
    x = 1.0 - alpha * abs(u)
    return alpha * where(x > 0.0, x, 0.0)


def piecewise_exp(u, alpha):
    """alpha / 2 exp(-alpha |u|)."""
    return 0.5 * alpha * exp(-(alpha * abs(u)))


def erf(u, alpha):
    """Derivative of the error function: alpha / sqrt(pi) exp(-(alpha u)^2)."""
    x = alpha * u
    return 0.5641895835477563 * alpha * exp(-(x * x))


def straight_through(u, alpha):
    """alpha, wherever the potential is."""
    return alpha + 0.0


FUNCTIONS = (
    atan, sigmoid, fast_sigmoid, superspike, soft_sign, triangle, piecewise_quadratic,
    piecewise_exp, erf, straight_through,
)  # fmt: skip
SURROGATES: dict[str, Body] = {f.__name__: parse(f, "surrogates") for f in FUNCTIONS}
BY_NAME = {f.__name__: f for f in FUNCTIONS}
# alpha where the user names none: those of the libraries that have the function
DEFAULTS = {
    "atan": 2.0, "sigmoid": 4.0, "fast_sigmoid": 25.0, "superspike": 1.0, "soft_sign": 2.0,
    "triangle": 0.3, "piecewise_quadratic": 1.0, "piecewise_exp": 1.0, "erf": 2.0,
    "straight_through": 1.0,
}  # fmt: skip


def check(name: str, alpha: float | None) -> tuple[str, float]:
    """The name and its alpha, or ModelError."""
    if name not in BY_NAME:
        raise ModelError(f"surrogate={name!r}: expected one of {', '.join(BY_NAME)}.")
    value = DEFAULTS[name] if alpha is None else float(alpha)
    if not (value > 0.0 and math.isfinite(value)):
        raise ModelError(f"alpha={alpha!r}: expected a number above 0.")
    return name, value
