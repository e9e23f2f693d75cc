-- rebuild_counters: set the budget counters to what the ledger says, after Redis has lost its data.
--
-- Three calls, because the caller reads the ledger between them; charges made meanwhile are kept in the journal.
--   ARGV  1 prefix   2 'begin'   3 the name of this rebuild, `2:…+week`, or `2:ZONE:…+week`   4 milliseconds it may take
--         5 how old the data set must be, seconds: by then every process has restored its reservations
-- Returns {'counted'}: the counters are valid; {'wait', seconds}: too young, or another rebuild is running; {'begun'}
--   ARGV  1 prefix   2 'journal'
-- Returns the ids of the calls charged since the beginning: the ledger must be summed without them
--   ARGV  1 prefix   2 'set'   3 the name   4 JSON, a list of {n: scope, d: day, week or month, c: nano-dollars, ttl}
-- Returns 1 when the counters were set, 0 when another rebuild has taken over: begin again
-- include: names
-- include: reservations

local prefix, step, name = ARGV[1], ARGV[2], ARGV[3]

if step == 'begin' then
  local zone = string.match(name, '^2:(.*):[^:]*$')
  if reservations_are_counted(redis.call('GET', prefix .. ':counted'), zone, string.sub(name, -5) == '+week') then return { 'counted' } end
  local time = redis.call('TIME')
  local age = tonumber(time[1]) + tonumber(time[2]) / 1000000 - tonumber(dataset_id(prefix))
  if age < tonumber(ARGV[5]) then return { 'wait', string.format('%.3f', tonumber(ARGV[5]) - age) } end
  if not redis.call('SET', prefix .. ':counting', name, 'NX', 'PX', ARGV[4]) then return { 'wait', '0.05' } end
  redis.call('DEL', prefix .. ':counted', prefix .. ':journal', prefix .. ':journal:read')
  return { 'begun' }
end

if step == 'journal' then
  local ids = redis.call('HKEYS', prefix .. ':journal')
  for _, id in ipairs(ids) do redis.call('SADD', prefix .. ':journal:read', id) end
  return ids
end

if redis.call('GET', prefix .. ':counting') ~= name then return 0 end
for _, counter in ipairs(cjson.decode(ARGV[4])) do
  local key = name_of_period(prefix, 'spent', counter.n, counter.d)
  if counter.c == 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, string.format('%.0f', counter.c), 'EX', counter.ttl)
  end
end
local journal = redis.call('HGETALL', prefix .. ':journal')
for i = 1, #journal, 2 do
  local charged = cjson.decode(journal[i + 1])
  local left_out = redis.call('SISMEMBER', prefix .. ':journal:read', journal[i]) == 1
  reservations_count(prefix, 'spent', charged.n, charged, left_out and charged.c or charged.c - charged.b)
end
redis.call('SET', prefix .. ':counted', name)
redis.call('DEL', prefix .. ':counting', prefix .. ':journal', prefix .. ':journal:read')
return 1
