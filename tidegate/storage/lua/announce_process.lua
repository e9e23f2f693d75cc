-- announce_process: record that a process is alive, and forget processes that have been silent for too long.
--
--   KEYS  1 the process's own key   2 all processes (sorted set: by the time of their last announcement)
--   ARGV  1 process   2 milliseconds for which the announcement holds   3 now, Unix seconds
-- Returns the number of processes that are alive
local since = tonumber(ARGV[3]) - tonumber(ARGV[2]) / 1000
redis.call('SET', KEYS[1], '1', 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.17g', since))
return redis.call('ZCARD', KEYS[2])
