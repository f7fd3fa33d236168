"""Runs `manage.py` or `django-admin` in the current folder, with the packages of this checkout installed."""

import os
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = os.getcwd()
    sys.path.insert(1, str(Path(__file__).resolve().parents[2]))
    del sys.argv[0]
    if sys.argv[0] == "manage.py":
        runpy.run_path("manage.py", run_name="__main__")
    else:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
