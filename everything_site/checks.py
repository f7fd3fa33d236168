"""System checks of the machine that this project runs on, with stable ids."""

from __future__ import annotations

import tempfile
from typing import Any

from django.core.checks import CheckMessage, Error, register


@register
def check_temporary_folder(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Daphne keeps large request bodies in temporary files, as Django does uploads."""
    try:
        with tempfile.TemporaryFile():
            return []
    except OSError as error:
        return [
            Error(
                f"No temporary file can be created: {error}.",
                hint="Make /tmp writable, or set TMPDIR to a folder that is.",
                id="everything_site.E001",
            )
        ]
