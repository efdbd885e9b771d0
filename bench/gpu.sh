#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build, test and measure on a machine with a GPU, in under nine minutes:
#
#     bash bench/gpu.sh OUTDIR [--dry-run] [--record bench/results]
#
# A short table comes last; OUTDIR/gpu.json holds what was measured so far at any moment.  Needs no
# network: the interpreter at hand is taken ($PYTHON, .venv, python3); only where none has torch, .venv
# is made, from the network.  --dry-run tries everything on a CPU, in tiny.  docs/gpu.md
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

has_all() {
  "$1" - >/dev/null 2>&1 <<'END'
import sys
from importlib.util import find_spec

sys.exit(not all(map(find_spec, ("torch", "numpy", "safetensors", "rich"))))
END
}

python=
for candidate in "${PYTHON:-}" "$root/.venv/bin/python" python3 python; do
  if [ -n "$candidate" ] && has_all "$candidate"; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "gpu.sh: no Python here has torch, numpy, safetensors and rich: making .venv" >&2
  make -C "$root" .venv/.dev
  python=$root/.venv/bin/python
fi

export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
for argument in "$@"; do
  if [ "$argument" = --dry-run ]; then
    # no GPU, even where there is one; kernels of Triton are interpreted
    export CUDA_VISIBLE_DEVICES= TRITON_INTERPRET=1 OMP_NUM_THREADS=1
  fi
done
exec "$python" -m fastsnn.bench.gpu "$@"
