-- recount: make the budgets' counters true again, from what the ledger says.
--
-- In three turns, because the ledger is read between them; what is charged meanwhile is kept in the journal.
--   ARGV  1 prefix   2 'begin'   3 the name of this count   4 for how long it may take, milliseconds
--         5 how old this memory must be, seconds: by then every process has said what its calls hold
-- Returns {'counted'}: they are true; {'wait', seconds}: too young, or another is counting; {'begun'}
--   ARGV  1 prefix   2 'journal'
-- Returns the ids of the calls that were charged since the beginning: the ledger must be read without them
--   ARGV  1 prefix   2 'set'   3 the name   4 JSON, a list of {k counter's name behind "spent:", c nano-dollars, ttl}
-- Returns 1 when the counters were set, 0 when this count is no longer the one: begin again
-- include: holds

local p, turn, name = ARGV[1], ARGV[2], ARGV[3]

if turn == 'begin' then
  if redis.call('EXISTS', p .. ':counted') == 1 then return { 'counted' } end
  local time = redis.call('TIME')
  local age = tonumber(time[1]) + tonumber(time[2]) / 1000000 - tonumber(holds_memory(p))
  if age < tonumber(ARGV[5]) then return { 'wait', string.format('%.3f', tonumber(ARGV[5]) - age) } end
  if not redis.call('SET', p .. ':counting', name, 'NX', 'PX', ARGV[4]) then return { 'wait', '0.05' } end
  redis.call('DEL', p .. ':journal', p .. ':journal:read')
  return { 'begun' }
end

if turn == 'journal' then
  local ids = redis.call('HKEYS', p .. ':journal')
  for _, id in ipairs(ids) do redis.call('SADD', p .. ':journal:read', id) end
  return ids
end

if redis.call('GET', p .. ':counting') ~= name then return 0 end
for _, counter in ipairs(cjson.decode(ARGV[4])) do
  if counter.c == 0 then
    redis.call('DEL', p .. ':spent:' .. counter.k)
  else
    redis.call('SET', p .. ':spent:' .. counter.k, string.format('%.0f', counter.c), 'EX', counter.ttl)
  end
end
local journal = redis.call('HGETALL', p .. ':journal')
for i = 1, #journal, 2 do
  local charged = cjson.decode(journal[i + 1])
  local left_out = redis.call('SISMEMBER', p .. ':journal:read', journal[i]) == 1
  holds_count(p, 'spent', charged.n, charged, left_out and charged.c or charged.c - charged.b)
end
redis.call('SET', p .. ':counted', name)
redis.call('DEL', p .. ':counting', p .. ':journal', p .. ':journal:read')
return 1
