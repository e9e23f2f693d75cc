-- alive: a process says that it lives; those who are silent for longer than that are dead.
--
--   KEYS  1 the process's own key   2 all processes (sorted set: by when they last spoke)
--   ARGV  1 process   2 how long that holds, milliseconds   3 now, Unix seconds
-- Returns how many live
local since = tonumber(ARGV[3]) - tonumber(ARGV[2]) / 1000
redis.call('SET', KEYS[1], '1', 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.17g', since))
return redis.call('ZCARD', KEYS[2])
