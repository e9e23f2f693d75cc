-- lane_dispatch: grant as many of those who wait as there is room for, and tell their processes.
--
--   ARGV  1 prefix   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 longest queue
-- Returns {how many were granted, seconds until it is worth asking again ('-1': nobody waits)}
-- include: order
-- include: lane
local terms = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local l = lane_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), terms)
local count, again = lane_dispatch(l)
lane_close(l)
return {count, order_number(again)}
