"""Resources that are rows of a model."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from mcp_app.resources import ModelResources


@pytest.mark.parametrize("text", ["P99999999999D", "9999999999 00:00:00", "no duration", "\ud800"])
@isolate_apps("tests")
async def test_a_key_that_no_row_can_have_is_none(text: str) -> None:
    class Slot(models.Model):  # noqa: DJ008 - never shown
        id = models.DurationField(primary_key=True)

        class Meta:
            app_label = "tests"

    class Slots(ModelResources):
        model = Slot
        scheme = "slot"

    nobody: Any = None
    with pytest.raises(ValueError, match="not a primary key"):
        await Slots().page(nobody, text, 1)
