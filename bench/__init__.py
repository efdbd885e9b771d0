# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: named workloads, checked for parity, timed, and set against the machine's limits."""
