# One image, three modes: the mode is the argument (`api` by default; `worker`, `migrate`,
# `supervisor`). The container brings no databases: supervisor mode here needs DATABASE_URL and
# REDIS_URL. For linux/amd64 and linux/arm64 alike:
#   docker buildx build --platform linux/amd64,linux/arm64 -t hogsend .

ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build
WORKDIR /src
# Dependencies first: they change less often than the source.
COPY requirements requirements
COPY pyproject.toml README.md LICENSE build.py supervisord.conf ./
COPY migrations migrations
COPY hogsend hogsend
RUN python build.py --only slim
# Extracted now, so that the image can run with a read-only root as any user; a layer of its own.
# The archive looks for what was extracted under its own file name, so it gets its final one first.
# hadolint ignore=DL3059
RUN install -D dist/hogsend-slim.pyz /image/hogsend.pyz \
 && SHIV_ROOT=/opt/hogsend python /image/hogsend.pyz --version

FROM python:${PYTHON}-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="hogsend" \
      org.opencontainers.image.description="Lifecycle messaging: events in, durable journeys, email out" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /image/hogsend.pyz /usr/local/lib/hogsend.pyz
COPY --from=build /opt/hogsend /opt/hogsend
COPY docker/healthcheck.py /usr/local/lib/healthcheck.py
# A name for the number, because libraries ask who they are. Kubernetes' runAsNonRoot needs the
# number. /app is where your content goes: COPY it there in an image of your own.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent hogsend \
 && install -d -o 10001 -g 10001 /app /var/lib/hogsend
ENV SHIV_ROOT=/opt/hogsend \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NODE_ENV=production \
    HOGSEND_CONTENT_DIR=/app \
    HOGSEND_DATA_DIR=/var/lib/hogsend
USER 10001:10001
WORKDIR /app
EXPOSE 3002
STOPSIGNAL SIGTERM
# Modes that serve no HTTP have nothing to answer: their health is that they run.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "/usr/local/lib/healthcheck.py"]
ENTRYPOINT ["python", "/usr/local/lib/hogsend.pyz"]
CMD ["api"]
