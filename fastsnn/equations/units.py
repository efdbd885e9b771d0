# SPDX-License-Identifier: Apache-2.0
"""Units of Brian as factors to ours: mV, ms, pA, nS, pF (and um for lengths)."""

from __future__ import annotations

_PREFIXES = {"p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
# the SI unit in ours: such that mV/ms = pA/pF and pA = nS mV hold without factors
_BASE = {
    "volt": 1e3, "second": 1e3, "amp": 1e12, "ampere": 1e12, "siemens": 1e9, "farad": 1e12,
    "ohm": 1e-9, "hertz": 1e-3, "metre": 1e6, "meter": 1e6,
}  # fmt: skip
_SHORT = {"V": "volt", "s": "second", "A": "amp", "S": "siemens", "F": "farad", "Hz": "hertz"}

UNITS = {p + name: f * value for name, value in _BASE.items() for p, f in _PREFIXES.items()}
# as in Brian, the letters alone are no units, so that they may be names
UNITS |= {
    p + short: f * _BASE[name] for short, name in _SHORT.items() for p, f in _PREFIXES.items() if p
}
UNITS |= {"Hz": 1e-3, "um": 1.0, "mm": 1e3, "cm": 1e4, "cmetre": 1e4, "cmeter": 1e4}

# what a declared unit is called here
OURS = {
    "volt": "mV", "amp": "pA", "ampere": "pA", "siemens": "nS", "farad": "pF", "second": "ms",
    "hertz": "1/ms", "Hz": "1/ms", "1": "", "1/second": "1/ms", "ohm": "GOhm",
}  # fmt: skip
