-- answers_purge_begin: note a purge, so that no call that began before it stores its answer; settle reads the note.
--
--   ARGV  1 prefix   2 what is purged: a field of {p}:purged, see settle.lua   3 seconds by which clocks may differ
--         4 how many notes are kept at most   5 seconds for which they are kept
-- Returns 1
local key, time = ARGV[1] .. ':purged', redis.call('TIME')
local field, moment = ARGV[2], string.format('%.3f', tonumber(time[1]) + tonumber(ARGV[3]))
if redis.call('HEXISTS', key, field) == 0 and redis.call('HLEN', key) >= tonumber(ARGV[4]) then
  redis.call('DEL', key) -- one note for all answers says as much, and more
  field = 'all'
end
redis.call('HSET', key, field, moment)
redis.call('EXPIRE', key, ARGV[5])
return 1
