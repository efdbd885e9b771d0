# SPDX-License-Identifier: Apache-2.0
"""BindsNET's names and signatures over fastsnn: `import fastsnn.bindsnet as bindsnet`."""

from pathlib import Path

ROOT_DIR = Path(__file__).resolve().parents[2]
