"""Removes a folder when its standard input ends: `python cleaner.py FOLDER`."""

import os
import shutil
import sys
import time

_ATTEMPTS = 30
_PAUSE_SECONDS = 0.1


def main(folder: str) -> None:
    """Wait for the end of the standard input, and remove the folder.

    Args:
        folder: Its path.
    """
    while os.read(sys.stdin.fileno(), 1):
        pass
    for _ in range(_ATTEMPTS):  # another process may be writing its last file
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
