-- arrive: a process has connected. Is this still the Redis that remembers?
--
-- A Redis that was started anew may have read back what it knew some time ago, and a replica that took over may be behind:
-- it has all its keys, and the budgets' counters are no longer true. So another run is another memory, and the ledger is
-- counted first. What calls held by its account is not dropped, for some of them may be lost with their process; but of
-- those that are, the ledger alone tells whether they ended since.
--   ARGV  1 prefix   2 the name of this run of Redis   3 for how long what is held may be an old account, seconds
-- Returns 1 where it was another run before; 0 where it is the same, or nothing is remembered

local p, run = ARGV[1], ARGV[2]
local before = redis.call('GET', p .. ':run')
if before == run then return 0 end
redis.call('SET', p .. ':run', run)
redis.call('DEL', p .. ':memory', p .. ':counted', p .. ':counting', p .. ':journal', p .. ':journal:read')
redis.call('SET', p .. ':doubt', run, 'EX', ARGV[3])
return before and 1 or 0
