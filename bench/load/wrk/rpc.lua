-- JSON-RPC answers to calls of `echo`, plain or in one SSE event: the text must be the one that belongs to the id.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "common.lua")

function check(body)
  local id = body:match('"id":(%d+)')
  return id ~= nil and body:find('"text":"echo ' .. id .. '"', 1, true) ~= nil
end
