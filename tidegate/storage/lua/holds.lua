-- holds: what calls under way may still spend, and what became of it.
--
-- Included by admit, settle and what looks after them. `p` is the prefix of all keys.
--   {p}:spent:SCOPE:PERIOD   nano-dollars charged          {p}:held:SCOPE:PERIOD   reserved by calls under way
--   {p}:holds   (hash)  request id -> its hold             {p}:holds:due  (zset)   request id -> when it is lost
--   {p}:flying:SCOPE (zset)  calls in flight, where their number is limited
--   {p}:tpm:SCOPE    a bucket of tokens                    {p}:lost (hash)  request id -> what a lost call was charged
--   {p}:memory       since when this Redis remembers, which is also the name of this memory
--   {p}:counted      `spent` is true, by the name of a count; absent: the ledger must be counted first
--   {p}:counting     the count under way                   {p}:journal (hash)  what was charged since it began, and
--                    (`b`) what a line that was there before says of the same call
--   {p}:journal:read (set)  the calls that the count leaves out, because they were in the journal when it looked
--   {p}:late:ID      charged although its hold was not known
--   {p}:run, {p}:doubt  which run of Redis this is; whether what is held may be an old account: see arrive.lua
-- A hold is kept as it came: the call's terms (see limits.lua) in MessagePack, and behind them, where the call itself asks
-- upstream, its line in the ledger as it would be if the call were lost. Read, it is {n: scopes, b: those that have a
-- budget, f: those that limit calls in flight, d: day, m: month, c: nano-dollars, k: tokens, t: {scope: tokens a minute},
-- e: the line}. What nobody limits is not counted twice over: `held` has those scopes alone that have a budget.

local DAY_TTL, MONTH_TTL, LOST_TTL, SLACK_MS = 3 * 86400, 63 * 86400, 2 * 86400, 60000

local function holds_memory(p)
  local memory = redis.call('GET', p .. ':memory')
  if not memory then
    local time = redis.call('TIME')
    memory = string.format('%d.%06d', tonumber(time[1]), tonumber(time[2]))
    redis.call('SET', p .. ':memory', memory)
  end
  return memory
end

-- A counter's time to live is set as it begins: once a period, not once a call.
local function holds_add(key, amount, nanos, ttl)
  if redis.call('INCRBY', key, amount) == nanos then
    redis.call('EXPIRE', key, ttl)
  end
end

local function holds_count(p, kind, scopes, hold, nanos)
  if nanos == 0 then return end
  local amount = string.format('%.0f', nanos)
  for _, scope in ipairs(scopes) do
    local counter = p .. ':' .. kind .. ':' .. scope .. ':'
    holds_add(counter .. hold.d, amount, nanos, DAY_TTL)
    holds_add(counter .. hold.m, amount, nanos, MONTH_TTL)
  end
end

-- A call costs `nanos` in all, of which `before` was charged. While nobody counts, its line in the ledger is enough.
local function holds_charge(p, id, hold, nanos, before)
  if redis.call('EXISTS', p .. ':counted') == 1 then
    holds_count(p, 'spent', hold.n, hold, nanos - before)
  elseif redis.call('EXISTS', p .. ':counting') == 1 then
    local noted = redis.call('HGET', p .. ':journal', id)
    local counted = noted and cjson.decode(noted).b or before
    local charged = { n = hold.n, d = hold.d, m = hold.m, c = nanos, b = counted }
    redis.call('HSET', p .. ':journal', id, cjson.encode(charged))
  end
end

-- Tokens that a bucket was charged too little or too much are put right: its `full_at` moves.
local function holds_correct_tokens(p, hold, tokens, now)
  for scope, limit in pairs(hold.t) do
    local key = p .. ':tpm:' .. scope
    local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now) + (tokens - hold.k) * 60 / limit
    if full_at > now then
      redis.call('SET', key, string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000) + SLACK_MS)
    else
      redis.call('DEL', key)
    end
  end
end

local function holds_of(terms, line)
  local hold = { n = terms.n, b = {}, f = {}, t = {}, d = terms.d, m = terms.m, c = 0, k = 0, e = line }
  for _, s in ipairs(terms.scopes) do
    if s.cc then hold.f[#hold.f + 1] = s.n end
    if s.bd or s.bm then hold.b[#hold.b + 1] = s.n end
    if line and s.tpm then hold.t[s.n] = s.tpm end
  end
  if line then
    hold.c, hold.k = terms.c, terms.k
  end
  return hold
end

local function holds_read(packed)
  local after, terms = cmsgpack.unpack_one(packed)
  return holds_of(terms, after >= 0 and string.sub(packed, after + 1) or nil)
end

local function holds_free(p, id, hold)
  redis.call('ZREM', p .. ':holds:due', id)
  for _, scope in ipairs(hold.f) do
    redis.call('ZREM', p .. ':flying:' .. scope, id)
  end
  holds_count(p, 'held', hold.b, hold, -hold.c)
end

-- `packed` are the terms as they came.
local function holds_take(p, terms, packed, hold)
  local due = terms.now + terms.lease
  redis.call('HSET', p .. ':holds', terms.id, packed .. (hold.e or ''))
  redis.call('ZADD', p .. ':holds:due', due, terms.id)
  for _, scope in ipairs(hold.f) do
    redis.call('ZADD', p .. ':flying:' .. scope, due, terms.id)
  end
  holds_count(p, 'held', hold.b, hold, hold.c)
end

-- What a call holds, taken out of the hash; nil for nothing.
local function holds_pop(p, key, id)
  local packed = redis.call('HGET', p .. key, id)
  if packed then
    redis.call('HDEL', p .. key, id)
    return holds_read(packed), packed
  end
end

-- A line of the ledger for a call that cannot write its own; the call's own replaces one that says `lost`.
local function holds_write(p, hold, outcome, nanos)
  local line = string.sub(hold.e, 1, -2) .. ',"cache":"miss","outcome":"' .. outcome .. '","estimated":true,"cost_nanos":'
  redis.call('XADD', p .. ':ledger', '*', 'e', line .. string.format('%.0f', nanos) .. '}')
end

-- Calls whose process died are charged all they held: the upstream may have charged that much. Where that is an old
-- account, the ledger may know how they ended; then it is counted. Returns whether the counters are no longer true.
local function holds_reap(p, now)
  local due = redis.call('ZRANGEBYSCORE', p .. ':holds:due', '-inf', now, 'LIMIT', 0, 20)
  local doubt = #due > 0 and redis.call('EXISTS', p .. ':doubt') == 1
  if doubt then redis.call('DEL', p .. ':counted', p .. ':counting') end
  for _, id in ipairs(due) do
    redis.call('ZREM', p .. ':holds:due', id)
    local hold, packed = holds_pop(p, ':holds', id)
    if hold then
      holds_free(p, id, hold)
      if hold.e then
        redis.call('HSET', p .. ':lost', id, packed)
        redis.call('EXPIRE', p .. ':lost', LOST_TTL)
        holds_charge(p, id, hold, hold.c, 0)
        holds_write(p, hold, 'lost', hold.c)
      end
    end
  end
  return doubt
end

-- A call that is admitted once more gives up what it held as one that waited for another's answer.
local function holds_drop(p, id)
  local hold = holds_pop(p, ':holds', id)
  if hold then holds_free(p, id, hold) end
end

-- A call that was admitted, but never went: nothing was spent.
local function holds_release(p, id, now)
  local hold = holds_pop(p, ':holds', id)
  if hold then
    holds_free(p, id, hold)
    holds_correct_tokens(p, hold, 0, now)
    return
  end
  hold = holds_pop(p, ':lost', id)
  if hold then
    holds_charge(p, id, hold, 0, hold.c)
    holds_write(p, hold, 'never_sent', 0)
  end
end

-- A call is over. `done` is {id, n: scopes, d: day, m: month, c: nano-dollars, k: tokens, held: the memory in which
-- it was admitted, empty where that was without Redis, late: its line may have reached the ledger before}. Cases:
--   its hold is there                 free it, charge the actual cost
--   it was given up for lost          charge the difference
--   it was held in this memory        it was settled before: nothing
--   else                              this memory never knew it: charge it, once
-- What is late may have been counted with the ledger, or not, and what is charged for a lost call may have been
-- counted away since: whichever it is, have the ledger counted anew.
local function holds_settle(p, done, now)
  local hold = holds_pop(p, ':holds', done.id)
  if hold then
    holds_free(p, done.id, hold)
    holds_correct_tokens(p, hold, done.k, now)
  end
  local lost = not hold and holds_pop(p, ':lost', done.id)
  if not hold and not lost and (done.c == 0 or done.held == holds_memory(p)) then
    return
  elseif done.late then
    redis.call('DEL', p .. ':counted', p .. ':counting')
  elseif hold then
    holds_charge(p, done.id, hold, done.c, 0)
  elseif lost then
    holds_charge(p, done.id, lost, done.c, lost.c)
  elseif redis.call('SET', p .. ':late:' .. done.id, '1', 'NX', 'EX', LOST_TTL) then
    holds_charge(p, done.id, done, done.c, 0)
  end
end
