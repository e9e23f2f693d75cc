-- lane_leave: a call gives up its place in the queue, or gives back the grant it did not use; the next may go.
--
--   ARGV  1 prefix   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 longest queue
--         7 the member who leaves the queue, or empty   8 the tokens of the grant given back, or -1
-- Returns {1 if that member waited, how many were granted, seconds until it is worth asking again ('-1': nobody waits)}
-- include: order
-- include: lane
local terms = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local l = lane_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), terms)
local waited = ARGV[7] ~= '' and order_leave(l, ARGV[7])
if tonumber(ARGV[8]) >= 0 then
  lane_give_back(l, tonumber(ARGV[8]))
end
local count, again = lane_dispatch(l)
lane_close(l)
return {waited and 1 or 0, count, order_number(again)}
