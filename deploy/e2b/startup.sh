#!/bin/sh
# Starts nginx, where it is installed, and becomes the bridge. ACCESS_TOKEN is its caller's to give; PORT (3000) is the
# bridge's, NGINX_PORT (8080) that of nginx.
set -eu
cd "$(dirname "$0")"

fail() {
  echo "startup.sh: $1" >&2
  exit 78
}

[ $# -eq 0 ] || fail "unknown argument \"$1\"; it takes none, only the variables ACCESS_TOKEN, PORT and NGINX_PORT"
[ -n "${ACCESS_TOKEN:-}" ] || fail "ACCESS_TOKEN is not set; give the sandbox a token, for example \$(openssl rand -hex 32)"
MCP_SERVERS_FILE=${MCP_SERVERS_FILE:-$PWD/servers.json}
[ -r "$MCP_SERVERS_FILE" ] || fail "there is no readable $MCP_SERVERS_FILE, which names the MCP servers"
export MCP_SERVERS_FILE PORT="${PORT:-3000}" NODE_ENV="${NODE_ENV:-production}"

if [ -r nginx.conf ] && command -v nginx >/dev/null; then
  sed "s/127\.0\.0\.1:3000/127.0.0.1:$PORT/; s/listen 8080/listen ${NGINX_PORT:-8080}/" nginx.conf >/tmp/mcp-bridge-nginx.conf
  nginx -c /tmp/mcp-bridge-nginx.conf || fail "nginx did not start; is port ${NGINX_PORT:-8080} taken? (NGINX_PORT)"
fi

exec node --enable-source-maps dist/index.js
