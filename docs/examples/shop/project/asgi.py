# project/asgi.py
import os

from django.core.asgi import get_asgi_application
from mcp_app.routing import mcp_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = mcp_application(get_asgi_application())
