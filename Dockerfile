# MCP Bridge as an image: `docker build -t mcp-bridge .`; deploy/docker/README.md tells the rest.
# Debian 13 or newer, because the binary of uWebSockets.js for this Node needs its glibc.
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY src src
COPY workers workers
RUN npm run build
# uWebSockets.js brings a binary for every platform and Node, 250 MB; one of them is used.
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules/uWebSockets.js -name '*.node' \
    ! -name "$(node -p '`uws_${process.platform}_${process.arch}_${process.versions.modules}.node`')" -delete

FROM ${NODE_IMAGE} AS runtime
# tini is process 1: it reaps what servers leave behind, which node would not.
# WITH_PYTHON=1 adds python and uv, for servers that are started with uvx. npx is there already.
ARG WITH_PYTHON=0
ARG UV_VERSION=0.13.8
RUN export DEBIAN_FRONTEND=noninteractive \
  && apt-get update \
  && apt-get install -y --no-install-recommends tini \
  && if [ "$WITH_PYTHON" = 1 ]; then \
    apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==$UV_VERSION" \
    && ln -s /opt/uv/bin/uv /opt/uv/bin/uvx /usr/local/bin/; \
  fi \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM runtime
WORKDIR /app
# Where volumes are mounted, so that a new one belongs to the user of the image.
RUN mkdir logs && chown node:node logs
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json mcp-servers.yaml mcp-servers.schema.json LICENSE ./
COPY deploy/docker/healthcheck.mjs deploy/docker/

LABEL org.opencontainers.image.title="MCP Bridge" \
  org.opencontainers.image.description="Puts stdio MCP servers behind HTTP for production" \
  org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
USER node
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
  CMD ["node", "deploy/docker/healthcheck.mjs"]
# Options go behind the image's name: `docker run mcp-bridge --check`.
ENTRYPOINT ["tini", "--", "node", "--enable-source-maps", "dist/index.js"]
