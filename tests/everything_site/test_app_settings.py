"""The module by which both apps declare their settings."""

from tests.support.processes import ROOT


def test_both_apps_declare_their_settings_by_the_same_module() -> None:
    one, other = (ROOT / app / "app_settings.py" for app in ("mcp_app", "oauth_app"))
    assert one.read_text() == other.read_text()
