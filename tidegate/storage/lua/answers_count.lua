-- answers_count: how many of an end user's answers are still stored.
--   KEYS  1 their fingerprints (sorted set, by the time until which each is kept)
--   ARGV  1 prefix
-- Returns the count
-- include: names
local count = 0
for _, fingerprint in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  count = count + redis.call('EXISTS', name_of(ARGV[1], 'answer', fingerprint))
end
return count
