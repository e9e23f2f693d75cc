-- recount: make the budgets' counters true again, from what the ledger in PostgreSQL says.
--
-- In two turns, because the ledger is read between them; calls that are settled meanwhile are seen by `uncounted`.
--   ARGV  1 prefix   2 'look'
-- Returns {state, mark}: state -1 when the counters are true already, else how many lines that cost something are
-- still on their way to PostgreSQL; the ledger may be read once there is none
--   ARGV  1 prefix   2 'set'   3 mark   4 the name of this count   5 now, Unix seconds
--         6 JSON, a list of {k counter's name behind "spent:", c nano-dollars, ttl seconds}
-- Returns {1} when the counters were set, {0} when calls were settled meanwhile: look again
local p = ARGV[1]
if redis.call('EXISTS', p .. ':counted') == 1 then return { -1, '' } end
local mark = redis.call('GET', p .. ':uncounted') or '0'

if ARGV[2] == 'look' then
  local costly = 0
  for _, line in ipairs(redis.call('XRANGE', p .. ':ledger', '-', '+', 'COUNT', 10000)) do
    if not string.find(line[2][2], '"cost_nanos":0[,}]') then costly = costly + 1 end
  end
  return { costly, mark }
end

if mark ~= ARGV[3] then return { 0 } end
for _, counter in ipairs(cjson.decode(ARGV[6])) do
  redis.call('SET', p .. ':spent:' .. counter.k, string.format('%.0f', counter.c), 'EX', counter.ttl)
end
redis.call('SET', p .. ':counted', ARGV[4])
return { 1 }
