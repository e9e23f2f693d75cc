-- Load for wrk: chat calls, each with a body of its own ("miss") or all with the same ("hit").
-- wrk ... -s calls.lua URL -- key model miss|hit run

local head, tail, unique, count = "", "", false, 0

function init(args)
   unique = args[3] == "miss"
   wrk.method = "POST"
   wrk.headers["content-type"] = "application/json"
   wrk.headers["authorization"] = "Bearer " .. args[1]
   head = '{"model":"' .. args[2] .. '","messages":[{"role":"system","content":"You are terse."},'
      .. '{"role":"user","content":"Why is there a tide? ' .. args[4]
   tail = '"}],"temperature":0.2}'
end

function request()
   if unique then count = count + 1 end
   return wrk.format(nil, nil, nil, head .. " " .. count .. tail)
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '\nSUMMARY {"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      e.connect + e.read + e.write + e.status + e.timeout))
end
