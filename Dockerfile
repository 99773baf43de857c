# One image for all six services, the one-shot jobs, the command line and the sandbox; the command says which.
# Plain instructions only, so that every builder of the last years understands them.

FROM python:3.11-slim-bookworm AS build
# The same uv as deploy/embedded/bootstrap.
ARG UV_VERSION=0.13.9
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_NO_CACHE=1
RUN python -m venv /tools && /tools/bin/pip install --quiet --no-cache-dir "uv==$UV_VERSION"
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN UV_PROJECT_ENVIRONMENT=/opt/venv /tools/bin/uv sync --quiet --frozen --no-default-groups --group sandbox \
        --no-install-project --python /usr/local/bin/python
COPY deploy/image/slim.py deploy/image/slim.py
RUN /opt/venv/bin/python deploy/image/slim.py /opt/venv && /opt/venv/bin/python -m compileall -q /opt/venv

FROM build AS frontend
RUN UV_PROJECT_ENVIRONMENT=/opt/node /tools/bin/uv sync --quiet --frozen --only-group frontend \
        --no-install-project --python /usr/local/bin/python
COPY shared/web/package.json shared/web/package-lock.json shared/web/.npmrc shared/web/fetch.py shared/web/
RUN /opt/node/bin/python shared/web/fetch.py && rm -rf shared/web/vendor/dev

FROM build AS app
COPY LICENSE ./
COPY shared shared
COPY services services
COPY passage passage
COPY deploy deploy
COPY --from=frontend /app/shared/web/vendor shared/web/vendor
# Modes come with the files: checked out under a strict umask they would be their owner's only, and not the service's.
RUN rm pyproject.toml uv.lock && /opt/venv/bin/python -m compileall -q . && chmod -R a+rX .

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Passage" org.opencontainers.image.licenses="Apache-2.0"
# /state is where the sandbox keeps what a try-out made; nothing else is ever written but /tmp.
RUN groupadd --gid 10001 passage && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp passage \
    && install -d -o 10001 -g 10001 -m 0750 /state
COPY --from=build /opt/venv /opt/venv
COPY --from=app /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PASSAGE_SECRETS_DIR=/run/secrets
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "/app/deploy/image/ready.py"]
CMD ["python", "-m", "passage", "--help"]
