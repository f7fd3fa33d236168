"""The pages that a person sees who opens a server in a browser, and the answer to clients that probe."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from everything_site import env


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    context = {
        "mcp_url": settings.MCP_RESOURCE_URL,
        "auth_server_url": settings.AUTH_SERVER_URL,
        "is_separate": settings.AUTH_MODE == env.SEPARATE,
    }
    return render(request, "landing.html", context)


@require_safe
def auth_landing(request: HttpRequest) -> HttpResponse:
    return render(request, "auth_landing.html", {"mcp_url": settings.MCP_RESOURCE_URL})


@csrf_exempt
def unknown_document(request: HttpRequest, name: str = "") -> HttpResponse:
    """Clients probe well-known URLs; HTML would make them stumble."""
    return JsonResponse({"error": "not_found"}, status=404)
