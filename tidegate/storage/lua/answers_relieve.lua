-- answers_relieve: drop stored answers to free memory: of the project that holds most, those that expire first.
--
--   ARGV  1 prefix   2 bytes to free   3 how many answers at most
-- Returns {how many were dropped, their bytes}
-- include: names
-- include: answers

local prefix, wanted, limit = ARGV[1], math.ceil(ARGV[2] / ANSWERS_BLOCK), tonumber(ARGV[3])
local dropped, freed = 0, 0
-- changes nothing; but Redis lets a script that has begun to write go on, although its memory is full
redis.call('ZREMRANGEBYSCORE', prefix .. ':answers_held', 1, 0)
while freed < wanted and dropped < limit do
  local holder = answers_largest_holder(prefix)
  if not holder then break end
  local count, blocks = answers_drop(prefix, holder, ANSWERS_BATCH)
  dropped, freed = dropped + count, freed + blocks
end
return { dropped, freed * ANSWERS_BLOCK }
