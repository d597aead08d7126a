-- Answers of POST /bridge: the bare result of an `echo`, which carries no id.
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "common.lua")

function check(body)
  return body:find('^{"content":%[{"type":"text","text":"echo %d+"}%]}$') ~= nil
end
