-- standing_tell: a target or a credential stands otherwise than before; keep it, and tell all replicas.
--
-- The newest word counts; of two as new as each other, the first. Of two replicas that find out the same, the first is told that it changed something, so an
-- alert goes out once. What is well and has long been is forgotten when there is very much of it: callers choose models'
-- names.
--   KEYS  1 the standings (hash: name to a JSON object with `kind` and `at`)
--   ARGV  1 name   2 at, Unix seconds   3 the object   4 the channel on which replicas hear of changes
-- Returns {1, the kind it had before, empty for none}, or {0, the newer object that is known}
local old = redis.call('HGET', KEYS[1], ARGV[1])
local known = old and cjson.decode(old)
if known and known.at >= tonumber(ARGV[2]) then
  return {0, old}
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if redis.call('HLEN', KEYS[1]) > 1000 then
  for _, other in ipairs(redis.call('HVALS', KEYS[1])) do
    local told = cjson.decode(other)
    if told.kind == 'closed' and told.at < tonumber(ARGV[2]) - 600 then
      redis.call('HDEL', KEYS[1], told.name)
    end
  end
end
redis.call('PUBLISH', ARGV[4], ARGV[3])
return {1, known and known.kind or ''}
