-- alerts_claim: claim the judgement of one slot of ten seconds; the first process that claims it judges for all.
--
-- A clock that was a minute ahead does not block the others.
--   KEYS  1 the last slot that was judged (string)
--   ARGV  1 the slot
-- Returns 1 to the process that shall judge, else 0
local last, slot = tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1])
if last >= slot and last <= slot + 6 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 600)
return 1
