-- written: the ledger has these calls' own lines, from a disk; Redis may never hear of their end otherwise.
--
-- They hold nothing any more, and are not lost: what they cost is counted with the ledger, before a budget is spent.
--   ARGV  1 prefix   2… request ids
-- include: holds
local p = ARGV[1]
for i = 2, #ARGV do
  local hold = holds_pop(p, ':holds', ARGV[i])
  if hold then
    holds_free(p, ARGV[i], hold)
  end
  redis.call('HDEL', p .. ':lost', ARGV[i])
end
redis.call('DEL', p .. ':counted', p .. ':counting')
return 1
