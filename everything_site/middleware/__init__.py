"""What every request passes through before and after a view: ASGI layers and middleware of Django."""
