-- upstream_key_uses: record which upstream keys a process uses, by their fingerprints, and forget those of long ago.
--
--   KEYS  1 all fingerprints (sorted set: by the time of their last report, in seconds of Redis's clock)
--   ARGV  1 seconds after which a fingerprint is forgotten   2… the fingerprints in use; none to read only
--
-- Returns the time now, and then each fingerprint with the time of its last report, as texts.

local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
for number = 2, #ARGV do
  redis.call('ZADD', KEYS[1], string.format('%.3f', now), ARGV[number])
end
if #ARGV > 1 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.3f', now - ARGV[1]))
  redis.call('EXPIRE', KEYS[1], ARGV[1])
end
local uses = redis.call('ZRANGE', KEYS[1], 0, 999, 'WITHSCORES')
table.insert(uses, 1, string.format('%.3f', now))
return uses
