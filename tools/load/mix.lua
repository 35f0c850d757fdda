-- A wrk script. MODE=same: 1,000 pictures over and over; MODE=new: another picture every time, from START on. KIND is the
-- kind of file; with PACE, each connection asks at most so often a second.
-- wrk -t1 -c16 -d10s -s tools/load/mix.lua http://127.0.0.1:8080 same 0 webp
local mode, start, kind, pace, next = 'same', 0, 'webp', 0, 0
local threads = 0

function setup(thread)
  thread:set('id', threads)
  threads = threads + 1
end

function init(args)
  mode = args[1] or mode
  start = tonumber(args[2] or start) + id * 1000000000
  kind = args[3] or kind
  pace = tonumber(args[4] or pace)
  -- Without a function of this name wrk does not wait at all.
  if pace > 0 then
    delay = function() return math.random(0, 2000 / pace) end
  end
end

function request()
  next = next + 1
  local seed = mode == 'same' and (next % 1000) or (start + next)
  return wrk.format('GET', string.format('/results/psi-1.0/seed%05d.%s', seed, kind))
end

function done(summary, latency, requests)
  local status = summary.errors
  io.write(string.format('%.0f/s p50 %.2f ms p99 %.2f ms not-2xx %d socket errors %d\n', summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, status.status, status.connect + status.read + status.write + status.timeout))
end
