-- standing_limit: a credential is rate limited for a model until a moment; tell all replicas, and keep it until then.
--
-- It is kept for people to look at: a replica that does not hear of it meets the limit itself.
--   KEYS  1 the limits (sorted set: lane by the moment at which the limit is over)
--   ARGV  1 lane   2 until, Unix seconds   3 now   4 the word for the replicas   5 their channel
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1001) -- callers choose models' names
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(last) - tonumber(ARGV[3])) + 1)
redis.call('PUBLISH', ARGV[5], ARGV[4])
