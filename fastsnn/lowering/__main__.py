# SPDX-License-Identifier: Apache-2.0
"""`python -m fastsnn.lowering [--check]`: write generated headers, or say if they are current."""

from __future__ import annotations

import sys
from pathlib import Path

from fastsnn.lowering import header, sequences


def main() -> int:
    """Write or check the headers that lie beside the package."""
    folder = Path(__file__).resolve().parents[2] / "csrc"
    headers = {
        folder / "models.gen.h": header.header(),
        folder / "nn" / "models.gen.h": sequences.header(),
    }
    stale = 0
    for path, text in headers.items():
        name = path.relative_to(folder.parent)
        if "--check" in sys.argv[1:]:
            current = path.exists() and path.read_text() == text
            stale += not current
            print(f"{name} is {'current' if current else 'stale: run python -m fastsnn.lowering'}")
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return min(stale, 1)


if __name__ == "__main__":
    raise SystemExit(main())
