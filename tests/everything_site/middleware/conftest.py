"""A deployment with a separate authorization server, for the tests of this folder that need one."""

from tests.support.deployment import separate

__all__ = ["separate"]
