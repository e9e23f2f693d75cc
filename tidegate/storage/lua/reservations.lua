-- reservations: what calls in progress may still spend (their reservations), and how they are charged in the end.
--
-- Included by admit, settle and the scripts that look after reservations, after names. `prefix` begins all keys:
--   {p}:spent:SCOPE:PERIOD   nano-dollars charged          {p}:held:SCOPE:PERIOD   nano-dollars reserved
--   {p}:holds   (hash)  request id -> its reservation      {p}:holds:due  (zset)   request id -> when its lease ends
--   {p}:flying:SCOPE (zset)  calls in flight, where their number is limited
--   {p}:tpm:SCOPE    a bucket of tokens                    {p}:lost (hash)  request id -> the reservation that was charged
--                                                          in full, because the call's process died
--   {p}:memory       the data set id: when this Redis began to remember. Another value: Redis has lost its data
--   {p}:counted      `2:` and the name of a rebuild, while the `spent` counters are valid; else they are rebuilt from the
--                    ledger first
--   {p}:counting     the rebuild in progress               {p}:journal (hash)  what was charged since the rebuild began,
--                    and (`b`) what an earlier ledger entry charged for the same call
--   {p}:journal:read (set)  the calls that the rebuild leaves out, because the journal had them when it was read
--   {p}:late:ID      this call was charged although its reservation was not known
--   {p}:run, {p}:doubt  the run id of Redis; whether reservations may come from an old snapshot: see detect_restart.lua
--
-- A reservation is stored as it came: the Reservation of tidegate/limits/scopes.py in MessagePack (see limits.lua), and
-- after it, where the call itself goes upstream, the ledger entry to write if the call's process dies. Decoded (`stored`)
-- it is {n: all scopes, b: those with a budget, f: those that limit calls in flight, d: day, w: week, m: month,
-- c: nano-dollars, k: tokens, t: {scope: tokens a minute}, e: the ledger entry}. `held` counters exist only for scopes with a budget.

local DAY_TTL, WEEK_TTL, MONTH_TTL, LOST_TTL, SLACK_MS = 3 * 86400, 15 * 86400, 63 * 86400, 2 * 86400, 60000

-- Return the data set id, and choose one if Redis has none.
local function dataset_id(prefix)
  local id = redis.call('GET', prefix .. ':memory')
  if not id then
    local time = redis.call('TIME')
    id = string.format('%d.%06d', tonumber(time[1]), tonumber(time[2]))
    redis.call('SET', prefix .. ':memory', id)
  end
  return id
end

-- Return whether the counters are valid, by the value of `counted`. Without this mark they were counted by a release that
-- gave some scopes other names: what those spent is counted again. The mark names the time zone of the days and months that
-- were counted, nothing for UTC: `2:ZONE:…`. Counters of another zone are not valid. A mark without `+week` at its end is of
-- an older release, which counts no weeks: where `weeks` matter, its counters are not valid.
local function reservations_are_counted(value, zone, weeks)
  if not value or string.sub(value, 1, 2) ~= '2:' then return false end
  if weeks and string.sub(value, -5) ~= '+week' then return false end
  return (string.match(value, '^2:(.*):[^:]*$') or '') == (zone or '')
end

-- Add to a counter. Its time to live is set when it begins: once a period, not once a call. Callers choose the names of
-- end users and the values of tags, so a counter of theirs that is zero again is deleted.
local function reservations_increment(key, amount, nanos, ttl, scope)
  local total = redis.call('INCRBY', key, amount)
  if total == nanos then
    redis.call('EXPIRE', key, ttl)
  elseif total == 0 and (string.sub(scope, 1, 5) == 'user/' or string.sub(scope, 1, 4) == 'tag/') then
    redis.call('DEL', key)
  end
end

local function reservations_count(prefix, kind, scopes, stored, nanos)
  if nanos == 0 then return end
  local amount = string.format('%.0f', nanos)
  for _, scope in ipairs(scopes) do
    reservations_increment(name_of_period(prefix, kind, scope, stored.d), amount, nanos, DAY_TTL, scope)
    if stored.w and stored.w ~= '' then -- a call of an older release has none
      reservations_increment(name_of_period(prefix, kind, scope, stored.w), amount, nanos, WEEK_TTL, scope)
    end
    reservations_increment(name_of_period(prefix, kind, scope, stored.m), amount, nanos, MONTH_TTL, scope)
  end
end

-- Charge a call that costs `nanos` in all, of which `before` was charged earlier. While there are no counters and no
-- rebuild is in progress there is nothing to do: the next rebuild finds the call in the ledger.
local function reservations_charge(prefix, id, stored, nanos, before)
  if redis.call('EXISTS', prefix .. ':counted') == 1 then
    reservations_count(prefix, 'spent', stored.n, stored, nanos - before)
  elseif redis.call('EXISTS', prefix .. ':counting') == 1 then
    local noted = redis.call('HGET', prefix .. ':journal', id)
    local counted = noted and cjson.decode(noted).b or before
    local charged = { n = stored.n, d = stored.d, w = stored.w, m = stored.m, c = nanos, b = counted }
    redis.call('HSET', prefix .. ':journal', id, cjson.encode(charged))
  end
end

-- Correct the token buckets from the estimate to the tokens that the call really used, by moving their `full_at`.
local function reservations_correct_tokens(prefix, stored, tokens, now)
  for scope, limit in pairs(stored.t) do
    local key = name_of(prefix, 'tpm', scope)
    local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now) + (tokens - stored.k) * 60 / limit
    if full_at > now then
      redis.call('SET', key, string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000) + SLACK_MS)
    else
      redis.call('DEL', key)
    end
  end
end

-- Return the decoded form of a request's reservation; `line` is the ledger entry, nil for a call that only waits for
-- another call's response and so reserves no money and no tokens.
local function reservations_new(request, line)
  local stored = { n = request.n, b = {}, f = {}, t = {}, d = request.d, w = request.w, m = request.m, c = 0, k = 0, e = line }
  for _, s in ipairs(request.scopes) do
    if s.cc then stored.f[#stored.f + 1] = s.n end
    if s.bd or s.bw or s.bm then stored.b[#stored.b + 1] = s.n end
    if line and s.tpm then stored.t[s.n] = s.tpm end
  end
  if line then
    stored.c, stored.k = request.c, request.k
  end
  return stored
end

local function reservations_decode(packed)
  local after, request = cmsgpack.unpack_one(packed)
  return reservations_new(request, after >= 0 and string.sub(packed, after + 1) or nil)
end

local function reservations_free(prefix, id, stored)
  redis.call('ZREM', prefix .. ':holds:due', id)
  for _, scope in ipairs(stored.f) do
    redis.call('ZREM', name_of(prefix, 'flying', scope), id)
  end
  reservations_count(prefix, 'held', stored.b, stored, -stored.c)
end

-- Store a reservation; `packed` is the request as it came.
local function reservations_store(prefix, request, packed, stored)
  local due = request.now + request.lease
  redis.call('HSET', prefix .. ':holds', request.id, packed .. (stored.e or ''))
  redis.call('ZADD', prefix .. ':holds:due', due, request.id)
  for _, scope in ipairs(stored.f) do
    redis.call('ZADD', name_of(prefix, 'flying', scope), due, request.id)
  end
  reservations_count(prefix, 'held', stored.b, stored, stored.c)
end

-- Remove a call's reservation from the hash and return it, or nil if there is none.
local function reservations_pop(prefix, key, id)
  local packed = redis.call('HGET', prefix .. key, id)
  if packed then
    redis.call('HDEL', prefix .. key, id)
    return reservations_decode(packed), packed
  end
end

-- Write the ledger entry of a call that cannot write its own. The call's own entry replaces one that says `lost`.
local function reservations_write_entry(prefix, stored, outcome, nanos)
  local result = ',"cache":"miss","outcome":"' .. outcome .. '","estimated":true,"cost_nanos":'
  local entry = string.sub(stored.e, 1, -2) .. result .. string.format('%.0f', nanos) .. '}'
  redis.call('XADD', prefix .. ':ledger', '*', 'e', entry)
end

-- Charge calls whose lease has ended (their process died) their whole reservation: the upstream may have charged that
-- much. Where reservations may come from an old snapshot, the ledger may know how the calls ended: then the counters are
-- invalidated. Returns whether they were.
local function reservations_reap(prefix, now)
  local due = redis.call('ZRANGEBYSCORE', prefix .. ':holds:due', '-inf', now, 'LIMIT', 0, 20)
  local doubt = #due > 0 and redis.call('EXISTS', prefix .. ':doubt') == 1
  if doubt then redis.call('DEL', prefix .. ':counted', prefix .. ':counting') end
  for _, id in ipairs(due) do
    redis.call('ZREM', prefix .. ':holds:due', id)
    local stored, packed = reservations_pop(prefix, ':holds', id)
    if stored then
      reservations_free(prefix, id, stored)
      if stored.e then
        redis.call('HSET', prefix .. ':lost', id, packed)
        redis.call('EXPIRE', prefix .. ':lost', LOST_TTL)
        reservations_charge(prefix, id, stored, stored.c, 0)
        reservations_write_entry(prefix, stored, 'lost', stored.c)
      end
    end
  end
  return doubt
end

-- Drop the reservation of a call that is admitted a second time: it waited for another call's response before.
local function reservations_drop(prefix, id)
  local stored = reservations_pop(prefix, ':holds', id)
  if stored then reservations_free(prefix, id, stored) end
end

-- Release a call that was admitted but never sent: it spent nothing.
local function reservations_release(prefix, id, now)
  local stored = reservations_pop(prefix, ':holds', id)
  if stored then
    reservations_free(prefix, id, stored)
    reservations_correct_tokens(prefix, stored, 0, now)
    return
  end
  stored = reservations_pop(prefix, ':lost', id)
  if stored then
    reservations_charge(prefix, id, stored, 0, stored.c)
    reservations_write_entry(prefix, stored, 'never_sent', 0)
  end
end

-- Settle a call that has ended. `charge` is the Charge of tidegate/limits/scopes.py: {id, n: scopes, d: day, w: week,
-- m: month, c: nano-dollars, k: tokens, held: the data set id under which it was admitted, empty where Redis was away, late: its
-- entry may have reached the ledger earlier}. Running this twice for one call charges it once, because the reservation is
-- taken out of its hash. There are four cases:
--   the reservation is there           free it, charge the actual cost
--   the call was charged as lost       charge the difference
--   it was admitted in this data set   it was settled before: do nothing
--   else                               this data set never knew it: charge it, once
-- A late call may or may not have been summed from the ledger, and a rebuild may have replaced the charge for a lost call:
-- then the counters are invalidated and rebuilt.
local function reservations_settle(prefix, charge, now)
  local stored = reservations_pop(prefix, ':holds', charge.id)
  if stored then
    reservations_free(prefix, charge.id, stored)
    reservations_correct_tokens(prefix, stored, charge.k, now)
  end
  local lost = not stored and reservations_pop(prefix, ':lost', charge.id)
  if not stored and not lost and (charge.c == 0 or charge.held == dataset_id(prefix)) then
    return
  elseif charge.late then
    redis.call('DEL', prefix .. ':counted', prefix .. ':counting')
  elseif stored then
    reservations_charge(prefix, charge.id, stored, charge.c, 0)
  elseif lost then
    reservations_charge(prefix, charge.id, lost, charge.c, lost.c)
  elseif redis.call('SET', name_of(prefix, 'late', charge.id), '1', 'NX', 'EX', LOST_TTL) then
    reservations_charge(prefix, charge.id, charge, charge.c, 0)
  end
end
