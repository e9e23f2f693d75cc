-- lane_show: every lane that has a queue, what is known of it, and who waits.
--
--   ARGV  1 prefix   2 now, Unix seconds   3 the most to tell of each queue
-- Returns {name, state as JSON, how many wait, {member, flow, weight, tokens, since, deadline}…} for each lane,
-- in the order of their going
-- include: order
-- include: lane
local told = {}
for _, name in ipairs(redis.call('SMEMBERS', ARGV[1] .. ':lanes')) do
  local l = lane_open(ARGV[1], name, tonumber(ARGV[2]), {rpm = 0, tpm = 0, longest = 0})
  local length = order_length(l)
  local line = {name, cjson.encode(l.s), length}
  local ticket = order_next(l)
  while ticket and #line < tonumber(ARGV[3]) + 3 do
    table.insert(line, {
      ticket.member, ticket.flow, ticket.weight, ticket.tokens, order_number(ticket.since), order_number(ticket.deadline),
    })
    order_pass(l, ticket)
    ticket = order_next(l)
  end
  if length == 0 and redis.call('EXISTS', l.key) == 0 then
    redis.call('SREM', ARGV[1] .. ':lanes', name)
  else
    table.insert(told, line)
  end
end
return told
