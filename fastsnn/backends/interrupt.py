# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C between two steps, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def held_back() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back; the function that is given raises KeyboardInterrupt if it has come.

    A handler of the user's own, and threads that signals do not reach, are left alone.
    """
    came = []

    def note(*_: Any) -> None:
        came.append(True)

    def check() -> None:
        if came:
            came.clear()
            raise KeyboardInterrupt

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield check
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    check()
