"""The project's application, with one more path that counts the tasks of the process."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.soak.settings"

from everything_site.asgi import application as everything
from mcp_app.transports.responses import respond_json
from tests.soak import COUNTS


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == COUNTS:
        gc.collect()
        await respond_json(send, 200, {"tasks": len(asyncio.all_tasks())})
        return
    await everything(scope, receive, send)
