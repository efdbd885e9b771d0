# SPDX-License-Identifier: Apache-2.0
"""Data out of CSV files, kept for the next time."""

from fastsnn.bindsnet.preprocessing.preprocessing import AbstractPreprocessor

__all__ = ["AbstractPreprocessor"]
