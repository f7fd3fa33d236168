"""What copies of a project say of themselves, as JSON in their said.json: python copies.py FOLDER...

Each is looked at in a process of its own, forked from this one, which imports the engine without settings.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.checks import run_checks

import mcp_app.checks
import mcp_app.routing

assert not settings.configured, "importing the engine has read the settings"


def look_at(folder: str) -> dict[str, Any]:
    """Load the project in a folder: its settings, checks and ASGI application."""
    os.chdir(folder)
    sys.path.insert(0, folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
    connected: list[str] = []
    sys.addaudithook(lambda event, args: connected.append(str(args)) if event == "socket.connect" else None)
    django.setup()
    found = [f"{message.id}: {message.msg} {message.hint}" for message in run_checks()]
    try:
        importlib.import_module("mysite.asgi")
    except Exception as error:
        found.append(f"asgi.py: {error}")
    return {
        "found": found,
        "connected": connected,
        "settings": {
            name: repr(getattr(settings, name)).replace(folder, "")
            for name in dir(settings)
            if name.isupper()
        },
        "handlers": list(map(repr, logging.getLogger().handlers)),
        "engine": mcp_app.__file__,
        "django": django.__version__,
    }


children = []
for folder in sys.argv[1:]:
    if not (child := os.fork()):
        Path(folder, "said.json").write_text(json.dumps(look_at(folder)))
        os._exit(0)
    children.append(child)
assert not any(os.waitpid(child, 0)[1] for child in children)
