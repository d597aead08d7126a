# The whole sandbox: Node, Python, uv, Chrome, nginx and the bridge. Its context is what context.ts lays out.
# One stage, no HEALTHCHECK, no ARG in FROM: E2B reads no more of a Dockerfile than that. No CMD either: E2B would run it
# while it builds, and every sandbox would wake up with the same secrets; run-in-sandbox.ts starts startup.sh.
FROM node:24-trixie-slim

RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    ca-certificates chromium curl git nginx-light python3 python3-venv \
  && rm -rf /var/lib/apt/lists/*

# uvx, which starts the server "fetch".
ARG WITH_UV=1
RUN if [ "$WITH_UV" = 1 ]; then \
    python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.8 \
    && ln -s /opt/uv/bin/uv /opt/uv/bin/uvx /usr/local/bin/; \
  fi

# What chrome-devtools-wrapper.sh becomes; installed here, so that nothing is downloaded when it starts.
RUN npm install --global --no-audit --no-fund chrome-devtools-mcp@1.11.0 && rm -rf /root/.npm

# E2B has the user already, other builders do not.
RUN id user >/dev/null 2>&1 || useradd --create-home --shell /bin/bash user

WORKDIR /app
COPY package.json package-lock.json /app/
# `npm start` must not build: dist is here, what builds it is not. Of uWebSockets.js one binary is used.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && npm pkg delete scripts.prestart \
  && find node_modules/uWebSockets.js -name '*.node' \
    ! -name "uws_$(node -p 'process.platform + "_" + process.arch + "_" + process.versions.modules').node" -delete \
  && rm -rf /root/.npm
COPY dist /app/dist
COPY servers.json startup.sh nginx.conf /app/
COPY chrome-devtools-wrapper.sh /home/user/
# Under the second name `npm start` finds it, whatever becomes of ENV.
RUN chmod 755 /app/startup.sh /home/user/chrome-devtools-wrapper.sh \
  && ln -s servers.json /app/mcp-servers.json

ENV NODE_ENV=production
ENV MCP_SERVERS_FILE=/app/servers.json
USER user
