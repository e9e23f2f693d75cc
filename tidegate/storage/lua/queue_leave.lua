-- queue_leave: remove a call from the queue, or return the grant of a call that was not sent; then dispatch.
--
--   ARGV  1 prefix   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 the most calls that may wait
--         7 the member that leaves the queue, or empty   8 the tokens of the returned grant, or -1
-- Returns {1 if that member waited, number of grants, seconds until the next dispatch is worth it ('-1': no call waits)}
-- include: names
-- include: fair_queue
-- include: capacity
local config = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local lane = capacity_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), config)
local waited = ARGV[7] ~= '' and fair_queue_remove(lane, ARGV[7])
if tonumber(ARGV[8]) >= 0 then
  capacity_give_back(lane, tonumber(ARGV[8]))
end
local count, again = capacity_dispatch(lane)
capacity_close(lane)
return {waited and 1 or 0, count, fair_queue_number(again)}
