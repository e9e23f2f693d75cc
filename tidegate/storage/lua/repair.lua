-- repair: set aside what another key than ours, a fault of the memory or another release has put under our names.
--
-- Included by repair_key, and begins a script that failed (see `repairing` in tidegate/storage/repair.py).
--   counters and reservations of budgets   forgotten together, as if Redis had lost them: processes restore what their
--                                          calls reserve, and the counters are rebuilt from the ledger
--   the ledger stream                      renamed, for a person to look at
--   the epoch of API keys                  set to the time, which is more than any process has seen
--   anything else                          deleted: it is stored, learnt or written again
local REPAIR_LONG_KINDS = { 'holds:due', 'journal:read', 'standing:limits', 'standing:claim', 'keys:epoch' }
local REPAIR_MONEY = {
  spent = true, held = true, holds = true, ['holds:due'] = true, lost = true, late = true, journal = true,
  ['journal:read'] = true, counted = true, counting = true, memory = true,
}

-- Return the prefix with its braces and the kind of a key; nil for a key that is not ours.
local function repair_kind(key)
  local prefix, rest = string.match(key, '^({[^}]*}):(.*)$')
  if not prefix then return nil end
  for _, kind in ipairs(REPAIR_LONG_KINDS) do
    if string.sub(rest, 1, #kind) == kind then return prefix, kind end
  end
  return prefix, string.match(rest, '^[^:]*')
end

local function repair_forget_money(prefix)
  for _, name in ipairs({ 'memory', 'counted', 'counting', 'journal', 'journal:read', 'holds', 'holds:due', 'lost' }) do
    redis.call('DEL', prefix .. ':' .. name)
  end
  -- a look at every key of Redis: the price of an accident, which nothing else pays
  local pattern = string.gsub(prefix, '[%[%]*?\\]', '\\%0') .. ':held:*'
  for _, key in ipairs(redis.call('KEYS', pattern)) do redis.call('DEL', key) end
end

-- Return the kind of the key that was set aside, or nil.
local function repair(key)
  local prefix, kind = repair_kind(key)
  if not prefix or redis.call('EXISTS', key) == 0 then return nil end
  local now = redis.call('TIME')
  if kind == 'ledger' then
    redis.call('RENAME', key, key .. ':set_aside:' .. now[1] .. '-' .. now[2])
    return kind
  end
  redis.call('DEL', key)
  if kind == 'keys:epoch' then redis.call('SET', key, now[1]) end
  if REPAIR_MONEY[kind] then repair_forget_money(prefix) end
  return kind
end
