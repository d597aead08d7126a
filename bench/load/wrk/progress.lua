-- SSE answers of the tool `progress`: as many progress events as asked for (argument 2), in order, all with the
-- token of this call (which equals its id), then the result.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "common.lua")

local steps

function prepare(args)
  steps = tonumber(args[2])
end

function check(body)
  local id = body:match('"id":(%d+)')
  if not id or not body:find('"text":"echo ' .. id .. '"', 1, true) then return false end
  local seen = 0
  for params in body:gmatch('"notifications/progress","params":(%b{})') do
    seen = seen + 1
    if not params:find('"progressToken":' .. id .. '[,}]') then return false end
    if not params:find('"progress":' .. seen .. '[,}]') then return false end
  end
  return seen == steps
end
