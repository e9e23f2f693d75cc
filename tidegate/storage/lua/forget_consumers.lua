-- Forget consumers of a stream's group that have been silent and hold no entries.
--
-- One script, because a consumer that is given an entry between the look and the removal would take it
-- along: the entry would stay in the stream and never be handed out again.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  milliseconds of silence
-- Returns how many were forgotten.

if redis.replicate_commands then
    redis.replicate_commands() -- Redis 6.2 writes after XINFO only then; later versions always do
end
-- changes nothing; but Redis lets a script that has begun to write go on, although its memory is full
redis.call('XDEL', KEYS[1], '0-1')

local forgotten = 0
for _, pairs in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for at = 1, #pairs, 2 do
        consumer[pairs[at]] = pairs[at + 1]
    end
    if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
        forgotten = forgotten + 1
    end
end
return forgotten
