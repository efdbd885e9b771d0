# SPDX-License-Identifier: Apache-2.0
"""`fastsnn sim`: run one of the networks that ship with fastsnn, and report on it."""
