-- restore_reservation: store the reservation of a call in progress again, because Redis has lost its data.
--
--   ARGV  1 now, Unix seconds   2 its ledger entry, a JSON object   3 does the call itself go upstream? 0|1
--         4 the Reservation, MessagePack: see limits.lua
-- Returns 1 when it was stored, 0 when Redis knows the call
-- include: names
-- include: reservations

local request = cmsgpack.unpack(ARGV[4])
request.now = tonumber(ARGV[1])
local prefix, id = request.p, request.id
dataset_id(prefix)
for _, hash in ipairs({ ':holds', ':lost' }) do
  if redis.call('HEXISTS', prefix .. hash, id) == 1 then return 0 end
end
reservations_store(prefix, request, ARGV[4], reservations_new(request, ARGV[3] == '1' and ARGV[2] or nil))
return 1
