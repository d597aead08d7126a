#!/bin/sh
# The MCP server "chrome-devtools": starts Chrome unless it runs, waits until it can be debugged, and becomes
# chrome-devtools-mcp. All sessions share one Chrome; it is in a session of its own, so that it outlives the one that
# happened to start it, and ends with the sandbox.
set -eu

url=${CHROME_REMOTE_DEBUGGING_URL:-http://127.0.0.1:9222}
port=${url##*:}
port=${port%%/*}

fail() {
  echo "chrome-devtools-wrapper.sh: $1" >&2
  exit 1
}

answers() { curl -fsS --max-time 2 "$url/json/version" >/dev/null 2>&1; }

command -v chrome-devtools-mcp >/dev/null ||
  fail "chrome-devtools-mcp is not installed; e2b.Dockerfile has it, e2b.Dockerfile.minimal has not"

if ! answers; then
  case $url in
    http://127.0.0.1:* | http://localhost:*) ;;
    *) fail "nothing answers at CHROME_REMOTE_DEBUGGING_URL=$url, and only a Chrome on 127.0.0.1 can be started here" ;;
  esac
  chrome=$(command -v chromium || command -v google-chrome) ||
    fail "no chromium and no google-chrome is installed, and nothing answers at $url"
  # Two sessions that begin at once start one Chrome: whoever has no lock only waits.
  exec 9>"/tmp/mcp-bridge-chrome-$port.lock"
  if flock --nonblock 9; then
    # Without its own sandbox, which needs rights that a container does not have: the sandbox here is E2B's.
    HOME=/tmp setsid "$chrome" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
      --user-data-dir="/tmp/mcp-bridge-chrome-$port" --remote-debugging-address=127.0.0.1 \
      --remote-debugging-port="$port" about:blank >/tmp/mcp-bridge-chrome.log 2>&1 </dev/null &
  fi
  exec 9>&-
  tries=0
  until answers; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "Chrome did not answer at $url within 20 s; its last line: $(tail -n 1 /tmp/mcp-bridge-chrome.log)"
    sleep 0.2
  done
fi

exec chrome-devtools-mcp --browserUrl "$url" --no-usage-statistics "$@"
