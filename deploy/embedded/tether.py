"""Tie a program to its parent, then become it: `python tether.py SIGNAL PARENT_PID program arguments…`.

The promise: when the parent ends, however it ends, the kernel sends SIGNAL to the program. It is done here, right
before the program starts, because a change of user or user namespace on the way would make the kernel forget it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Never returns: the process becomes the program."""
    number, parent, *program = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.Signals(int(number)), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):  # it ended before the kernel knew
        sys.exit(1)
    os.execvp(program[0], program)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
