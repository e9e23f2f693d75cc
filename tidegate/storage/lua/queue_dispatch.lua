-- queue_dispatch: grant as many waiting calls as the capacity allows, and publish the grants to their processes.
--
--   ARGV  1 prefix   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 the most calls that may wait
-- Returns {number of grants, seconds until the next dispatch is worth it ('-1': no call waits)}
-- include: names
-- include: fair_queue
-- include: capacity
local config = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local lane = capacity_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), config)
local count, again = capacity_dispatch(lane)
capacity_close(lane)
return {count, fair_queue_number(again)}
