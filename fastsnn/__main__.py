# SPDX-License-Identifier: Apache-2.0
"""`python -m fastsnn`: the command line."""

from fastsnn.cli import main

main()
