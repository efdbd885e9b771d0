# SPDX-License-Identifier: Apache-2.0
"""`bash bench/gpu.sh OUTDIR`: build, test and measure on a machine with a GPU; see docs/gpu.md."""
