-- answers_forget: delete some of an end user's stored answers.
--   KEYS  1 their fingerprints (sorted set, by the time until which each is kept)
--   ARGV  1 prefix   2 how many at most   3 the project, as it stands in names
-- Returns how many it took from the set; 0 when none is left
-- include: names
-- include: answers
local fingerprints, blocks = redis.call('ZPOPMIN', KEYS[1], ARGV[2]), 0
for n = 1, #fingerprints, 2 do
  blocks = blocks + answers_take_out(ARGV[1], ARGV[3], fingerprints[n])
  redis.call('DEL', name_of(ARGV[1], 'answer', fingerprints[n]))
end
if blocks > 0 then answers_count(ARGV[1], ARGV[3], -blocks) end
return #fingerprints / 2
