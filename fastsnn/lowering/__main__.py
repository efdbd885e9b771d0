# SPDX-License-Identifier: Apache-2.0
"""`python -m fastsnn.lowering [--check]`: write csrc/models.gen.h, or say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from fastsnn.lowering.header import header


def main() -> int:
    """Write or check the header that lies beside the package."""
    path = Path(__file__).resolve().parents[2] / "csrc" / "models.gen.h"
    text = header()
    if "--check" in sys.argv[1:]:
        current = path.exists() and path.read_text() == text
        print(f"{path.name} is {'current' if current else 'stale: run python -m fastsnn.lowering'}")
        return 0 if current else 1
    path.write_text(text)
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
