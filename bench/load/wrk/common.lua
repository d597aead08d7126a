-- What every script shares: the requests come ready-made from a file (argument 1: `<length>\n<bytes>` each), are
-- sent in turn, and each answer goes through the global `check(status, body)`. Numbers are printed as one JSON line.

wrong = 0
sample = ""

local requests, turn = {}, 0
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
  end
  file:close()
  if prepare then prepare(args) end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

-- Answers seen to be right. A text is judged once; the same text is then right by comparison. Only answers that
-- repeat are kept: those with an event id of their own would fill the table.
local right = {}

function response(status, _, body)
  if status == 200 and right[body] then return end
  if status == 200 and check(body) then
    if body:byte(1) == 123 then right[body] = true end
    return
  end
  wrong = wrong + 1
  if sample == "" then sample = status .. " " .. body:sub(1, 200) end
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

function done(summary, latency)
  local count, first = 0, ""
  for _, thread in ipairs(threads) do
    count = count + thread:get("wrong")
    if first == "" then first = thread:get("sample") end
  end
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"wrong":%d,"failed":%d,"sample":%s}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), count,
    errors.connect + errors.read + errors.write + errors.timeout, quoted(first)))
end
