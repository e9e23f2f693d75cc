-- renew_holds: the calls of a process that is alive are not lost.
--
--   ARGV  1 prefix   2 when they are lost, Unix seconds   3… request ids
-- Returns how many are still held
-- include: holds
local p, kept = ARGV[1], 0
for i = 3, #ARGV do
  local packed = redis.call('HGET', p .. ':holds', ARGV[i])
  if packed then
    redis.call('ZADD', p .. ':holds:due', ARGV[2], ARGV[i])
    for _, scope in ipairs(holds_read(packed).f) do
      redis.call('ZADD', p .. ':flying:' .. scope, 'XX', ARGV[2], ARGV[i])
    end
    kept = kept + 1
  end
end
return kept
