-- queue_snapshot: list every lane that has a queue, with its state and its first waiting calls. Writes nothing but that
-- it removes the names of lanes that have expired.
--
--   ARGV  1 prefix   2 now, Unix seconds   3 the most calls to list of each queue
-- Returns for each lane {name, state as JSON, number of waiting calls, {member, flow, weight, tokens, since, deadline}…},
-- the calls in the order in which they will go
-- include: names
-- include: fair_queue
-- include: capacity
local lanes = {}
for _, name in ipairs(redis.call('SMEMBERS', ARGV[1] .. ':lanes' .. LANE_VERSION)) do
  local lane = capacity_open(ARGV[1], name, tonumber(ARGV[2]), {rpm = 0, tpm = 0, longest = 0})
  local length = fair_queue_length(lane)
  local line = {name, cjson.encode(lane.state), length}
  local entry = fair_queue_peek(lane)
  while entry and #line < tonumber(ARGV[3]) + 3 do
    table.insert(line, {
      entry.member, entry.flow, entry.weight, entry.tokens, fair_queue_number(entry.since),
      fair_queue_number(entry.deadline),
    })
    fair_queue_skip(lane, entry)
    entry = fair_queue_peek(lane)
  end
  if length == 0 and redis.call('EXISTS', lane.key) == 0 then
    redis.call('SREM', ARGV[1] .. ':lanes' .. LANE_VERSION, name)
  else
    table.insert(lanes, line)
  end
end
return lanes
