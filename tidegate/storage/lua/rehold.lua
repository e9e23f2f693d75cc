-- rehold: a call under way that this Redis does not know, because it lost its memory, holds again what it held.
--
--   ARGV  1 now, Unix seconds   2 its ledger entry, a JSON object   3 does it spend? 0|1   4 terms, MessagePack: see limits.lua
-- Returns 1 when it holds again, 0 when it was known
-- include: holds

local terms = cmsgpack.unpack(ARGV[4])
terms.now = tonumber(ARGV[1])
local p, id = terms.p, terms.id
holds_memory(p)
if redis.call('HEXISTS', p .. ':holds', id) == 1 or redis.call('HEXISTS', p .. ':lost', id) == 1 then return 0 end
holds_take(p, terms, ARGV[4], holds_of(terms, ARGV[3] == '1' and ARGV[2] or nil))
return 1
