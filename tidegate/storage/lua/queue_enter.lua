-- queue_enter: take capacity of a lane now, or a position in its queue.
--
-- A call that waits already keeps its position, so a waiter calls this again to find out whether its grant was lost.
--   ARGV  1 prefix, '{tidegate}'   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 the most calls that may wait
--         7 member   8 tokens   9 flow   10 weight   11 deadline, Unix seconds
--         12 sequence number of an earlier position, or empty
-- Returns {'granted', seq} | {'queued', seq, eta, ahead} | {'refused', eta, 1 if the queue is full}
-- include: names
-- include: fair_queue
-- include: capacity
local config = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local lane = capacity_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), config)
local entry = {
  member = ARGV[7], tokens = tonumber(ARGV[8]), flow = ARGV[9], weight = tonumber(ARGV[10]),
  deadline = tonumber(ARGV[11]), seq = tonumber(ARGV[12]),
}
local verdict = capacity_decide(lane, entry)
if verdict.kind == 'refused' then
  return {'refused', fair_queue_number(verdict.eta), verdict.full and 1 or 0}
end
local reply = {verdict.kind, verdict.seq}
if verdict.kind == 'granted' then
  fair_queue_remove(lane, entry.member)
  capacity_consume(lane, entry)
else
  if not verdict.waits then
    capacity_enqueue(lane, entry, verdict)
  end
  reply[3], reply[4] = fair_queue_number(verdict.eta), verdict.ahead
end
capacity_close(lane)
return reply
