-- ledger_acknowledge: entries are in PostgreSQL; acknowledge and delete them, both or neither.
--
-- Not a transaction: within one, a Redis whose memory is full refuses every command, also those that free memory.
--   KEYS  1 the ledger (stream)   ARGV  1 the consumer group   2… the ids of the entries
-- Returns how many were deleted
local group = table.remove(ARGV, 1)
redis.call('XACK', KEYS[1], group, unpack(ARGV))
return redis.call('XDEL', KEYS[1], unpack(ARGV))
