-- standing_tell: a target or a credential stands otherwise than before; keep it, and tell all replicas.
--
-- The newest word counts; of two as new as each other, the first. Of two replicas that find out the same, the first is
-- told that it changed something, so an alert goes out once. Of very many targets some are forgotten, because callers
-- choose models' names: first those that are well, then those of which there was no word for longest.
--   KEYS  1 the standings (hash: name to a JSON object with `kind` and `at`)
--   ARGV  1 name   2 at, Unix seconds   3 the object   4 the channel on which replicas hear of changes
-- Returns {1, the kind it had before, empty for none}, or {0, the newer object that is known}
local MAX_STANDINGS, SURPLUS = 1000, 100

local function forget_some()
  local targets = {}
  for _, other in ipairs(redis.call('HVALS', KEYS[1])) do
    local told = cjson.decode(other)
    if string.sub(told.name, 1, 8) == 'breaker ' and told.name ~= ARGV[1] then targets[#targets + 1] = told end
  end
  table.sort(targets, function(one, other)
    local well, other_well = one.kind == 'closed', other.kind == 'closed'
    if well ~= other_well then return well end
    return one.at < other.at
  end)
  for n = 1, math.min(#targets, redis.call('HLEN', KEYS[1]) - MAX_STANDINGS) do
    redis.call('HDEL', KEYS[1], targets[n].name)
  end
end

local old = redis.call('HGET', KEYS[1], ARGV[1])
local known = old and cjson.decode(old)
if known and known.at >= tonumber(ARGV[2]) then
  return {0, old}
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if redis.call('HLEN', KEYS[1]) > MAX_STANDINGS + SURPLUS then forget_some() end
redis.call('PUBLISH', ARGV[4], ARGV[3])
return {1, known and known.kind or ''}
