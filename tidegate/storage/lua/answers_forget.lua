-- answers_forget: delete some of an end user's stored answers.
--   KEYS  1 their fingerprints (sorted set, by the time until which each is kept)
--   ARGV  1 prefix   2 how many at most
-- Returns how many it took from the set; 0 when none is left
local fingerprints = redis.call('ZPOPMIN', KEYS[1], ARGV[2])
for n = 1, #fingerprints, 2 do
  redis.call('DEL', ARGV[1] .. ':answer:' .. fingerprints[n])
end
return #fingerprints / 2
