# SPDX-License-Identifier: Apache-2.0
"""Triton skeletons, one file per way of walking memory; installed as `fastsnn.kernels`."""
