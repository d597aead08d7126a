-- Answers of a bare server: exactly the constant (argument 2).
dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "common.lua")

local constant

function prepare(args)
  constant = args[2]
end

function check(body)
  return body == constant
end
