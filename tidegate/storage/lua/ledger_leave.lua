-- ledger_leave: remove a consumer from the group, unless it still holds entries: they would be lost with it.
--   KEYS  1 the ledger (stream)   ARGV  1 the consumer group   2 the consumer
-- Returns 1 if it is gone
-- changes nothing; but Redis lets a script that has begun to write go on, although its memory is full
redis.call('XDEL', KEYS[1], '0-1')
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
