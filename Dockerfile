# The image of Tidegate. docs/guides/deploying.md says how to build and run it.
#
# BUILDER needs pip and venv, BASE needs Python alone. Both need the same minor version of it, because the packages hold
# compiled code.
ARG BUILDER=python:3.11-slim-bookworm
ARG BASE=${BUILDER}

FROM ${BASE} AS base

FROM ${BUILDER} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv installer && mkdir data

# What changes rarely comes first: a change of code rebuilds the small layers after this one.
COPY requirements.lock deploy/image/trim.py ./
RUN --mount=type=secret,id=ca,target=/run/ca.crt \
    if [ -s /run/ca.crt ]; then export PIP_CERT=/run/ca.crt; fi; \
    installer/bin/python -m pip install --quiet --no-cache-dir --no-compile --only-binary :all: --require-hashes \
        --target /app/packages -r requirements.lock && \
    python3 trim.py /app/packages && \
    python3 -m compileall -q --invalidation-mode unchecked-hash /app/packages

ARG VERSION=unreleased
COPY deploy/image ./
COPY LICENSE /app/code/
COPY tidegate /app/code/tidegate
ENV PYTHONPATH=/app/code:/app/packages
RUN --mount=type=bind,from=base,target=/base \
    python3 -m compileall -q --invalidation-mode unchecked-hash /app/code && \
    python3 bytecode.py /build/standard-library /base && \
    python3 bill_of_materials.py /app/packages /app/code/bom.cdx.json "${VERSION}"

FROM base
# With Rich, Typer would highlight the help with pygments, which is left out.
ENV PYTHONPATH=/app/code:/app/packages \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    TIDEGATE_DATA_DIR=/var/lib/tidegate \
    TIDEGATE_SERVER__HOST=0.0.0.0 \
    TYPER_USE_RICH=0
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=builder /build/standard-library /
COPY --from=builder --chown=10001:10001 /build/data /var/lib/tidegate
COPY --from=builder /app/packages /app/packages
COPY --from=builder /app/code /app/code

# The folder of tidegate.toml, where there is one.
WORKDIR /etc/tidegate
USER 10001:10001
VOLUME /var/lib/tidegate
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["python3", "-m", "tidegate", "health"]
ENTRYPOINT ["python3", "-m", "tidegate"]
CMD ["serve"]

ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tidegate" \
      org.opencontainers.image.description="A self-hosted, OpenAI-compatible gateway" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
