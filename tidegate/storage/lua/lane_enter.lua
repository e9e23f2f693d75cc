-- lane_enter: take a place in a lane now, or a place in its queue.
--
-- Who waits already keeps the place, so asking again is how a waiter finds out whether its grant was lost.
--   ARGV  1 prefix, '{tidegate}'   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 longest queue
--         7 member   8 tokens   9 flow   10 weight   11 deadline, Unix seconds
--         12 seq of an earlier place, empty where there is none
-- Returns {'granted', seq} | {'queued', seq, eta, ahead} | {'refused', eta, 1 if the queue is full}
-- include: order
-- include: lane
local terms = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local l = lane_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), terms)
local ticket = {
  member = ARGV[7], tokens = tonumber(ARGV[8]), flow = ARGV[9], weight = tonumber(ARGV[10]),
  deadline = tonumber(ARGV[11]), seq = tonumber(ARGV[12]),
}
local verdict = lane_ask(l, ticket)
if verdict.kind == 'refused' then
  return {'refused', order_number(verdict.eta), verdict.full and 1 or 0}
end
local place = {verdict.kind, verdict.seq}
if verdict.kind == 'granted' then
  order_leave(l, ticket.member)
  lane_take(l, ticket)
else
  if not verdict.waits then
    lane_queue(l, ticket, verdict)
  end
  place[3], place[4] = order_number(verdict.eta), verdict.ahead
end
lane_close(l)
return place
