-- detect_restart: a process has connected; find out whether Redis was restarted since, or another Redis took over.
--
-- A restarted Redis may have loaded an old snapshot, and a replica that took over may lag behind: its keys exist, but the
-- budget counters are wrong. So another run of Redis counts as another data set, and the counters are rebuilt from the
-- ledger before a budget is spent. Reservations in the old snapshot are kept, because the process of some may really have
-- died. But only the ledger knows whether such a call has ended since, so the reservations are marked as doubtful.
--   ARGV  1 prefix   2 the run id of Redis   3 seconds for which reservations are doubtful
-- Returns 1 when the run id has changed; 0 when it is the same or none was stored

local prefix, run_id = ARGV[1], ARGV[2]
local known_run_id = redis.call('GET', prefix .. ':run')
if known_run_id == run_id then return 0 end
redis.call('SET', prefix .. ':run', run_id)
for _, name in ipairs({ ':memory', ':counted', ':counting', ':journal', ':journal:read' }) do
  redis.call('DEL', prefix .. name)
end
redis.call('SET', prefix .. ':doubt', run_id, 'EX', ARGV[3])
return known_run_id and 1 or 0
