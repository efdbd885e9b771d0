# SPDX-License-Identifier: Apache-2.0
"""Large sparse networks: wirings, distributions, drives."""
