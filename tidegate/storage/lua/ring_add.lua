-- ring_add: add the calls of one process to one minute of the dashboard's ring; the same addition counts once.
--
--   KEYS  1 the minute (hash)
--   ARGV  1 the process   2 the number of its addition, which grows   3 seconds for which the minute is kept
--         4… pairs of a field and what is added to it
-- Returns 1, or 0 if the addition had arrived before.
local mark = 'by:' .. ARGV[1]
if tonumber(redis.call('HGET', KEYS[1], mark) or '0') >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], mark, ARGV[2])
for place = 4, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[1], ARGV[place], ARGV[place + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
