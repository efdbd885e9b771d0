# SPDX-License-Identifier: Apache-2.0
"""From model functions to other languages."""
