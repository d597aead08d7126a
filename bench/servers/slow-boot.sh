#!/bin/sh
# A stdio MCP server that takes 500 ms to boot, by waiting: a Node process would spend 40 ms of CPU on each start,
# and twenty of those a second are most of a core of the machine under test.
sleep 0.5
while IFS= read -r line; do
  case $line in *'"id":'*) ;; *) continue ;; esac
  id=${line##*\"id\":}
  id=${id%%[,\}]*}
  case $line in
    *'"method":"initialize"'*)
      result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"slow","version":"1.0.0"}}' ;;
    *'"method":"tools/call"'*) result='{"content":[{"type":"text","text":"echo 1"}]}' ;;
    *'"method":"tools/list"'*) result='{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}' ;;
    *'"method":"ping"'*) result='{}' ;;
    *)
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}\n' "$id"
      continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
