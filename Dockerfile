# syntax=docker/dockerfile:1

# The packages, exactly those of requirements.lock, in an environment that is copied as a whole.
FROM python:3.13-slim-trixie AS packages
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv --without-pip /venv \
    && pip --python /venv install --no-cache-dir --no-compile --require-hashes --requirement requirements.lock \
    && /venv/bin/python -m compileall -q -j 0 /venv/lib

# The code, compiled: a process cannot write into a file system that is read-only.
FROM packages AS code
COPY manage.py ./
COPY everything_site ./everything_site
COPY fakeupstream ./fakeupstream
COPY mcp_app ./mcp_app
COPY oauth_app ./oauth_app
COPY templates ./templates
RUN /venv/bin/python -m compileall -q -j 0 /app

FROM python:3.13-slim-trixie
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin everything
COPY --from=packages /venv /venv
COPY --from=code /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
EXPOSE 8101
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8101/healthz', timeout=4)"]
# Without a shell around it, so that it gets the signals itself. SIGTERM drains: allow it 60 seconds.
STOPSIGNAL SIGTERM
CMD ["daphne", "-v", "0", "-b", "0.0.0.0", "-p", "8101", "everything_site.asgi:application"]
