#!/usr/bin/env python
"""Django's command line for this project: `python manage.py help` lists what it can do."""

import sys

from everything_site.command_line import execute

if __name__ == "__main__":
    execute(sys.argv)
