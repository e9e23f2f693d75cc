-- semantic_enter: count requests in the account of semantic answers, and return the account.
--
--   KEYS  1 the account (hash)   2 the answers whose verdict is pending (hash)   3 the tally of the scope (hash)
--   ARGV  1 now, Unix seconds    2 the rules, MessagePack: see semantic_account.lua
--         3 requests to count that took no part, such as exact hits   4 requests to count that may get an answer: 0|1
-- Returns {figures, answers given in this scope, those that were wrong}, the figures as names and values
-- include: semantic_account

local rules, figures = cmsgpack.unpack(ARGV[2]), semantic_read(KEYS[1])
semantic_expire(KEYS[2], figures, tonumber(ARGV[1]), rules)
for _ = 1, tonumber(ARGV[3]) do
  figures.requests = figures.requests + 1
  semantic_step(figures, 0, rules)
end
figures.requests = figures.requests + tonumber(ARGV[4])
semantic_write(KEYS[1], figures)
local tally = redis.call('HMGET', KEYS[3], 'given', 'wrong')
return { semantic_reply(figures), tally[1] or '0', tally[2] or '0' }
