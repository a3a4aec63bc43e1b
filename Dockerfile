# syntax=docker/dockerfile:1
# Build stage: a compiler for native/.  Nothing of it reaches the last stage.
FROM python:3.13-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY native ./native
COPY src ./src
COPY examples ./examples
RUN python -m venv /opt/bearerd \
 && /opt/bearerd/bin/pip install --no-cache-dir ".[embedded,grpc,mcp]"

# Last stage: a numeric user, no compiler, no shell needed, and a root file system that may be read-only.
# Writable: /var/lib/bearerd (data_dir; give it a volume) and /tmp (runtime sockets; a tmpfs will do).
FROM python:3.13-slim-bookworm
COPY --from=build /opt/bearerd /opt/bearerd
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/bearerd
ENV PATH=/opt/bearerd/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
VOLUME ["/var/lib/bearerd"]
EXPOSE 9180 9182 9183
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["bearerd", "health", "--config", "/etc/bearerd/bearerd.toml"]
ENTRYPOINT ["bearerd"]
CMD ["serve", "--config", "/etc/bearerd/bearerd.toml"]
