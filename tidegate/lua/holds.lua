-- holds: what calls under way may still spend, and what became of it.
--
-- Included by admit, settle and what looks after them. `p` is the prefix of all keys.
--   {p}:spent:SCOPE:PERIOD   nano-dollars charged          {p}:held:SCOPE:PERIOD   reserved by calls under way
--   {p}:holds   (hash)  request id -> its hold             {p}:holds:due  (zset)   request id -> when it is lost
--   {p}:flying:SCOPE (zset)  calls in flight, where their number is limited
--   {p}:tpm:SCOPE    a bucket of tokens                    {p}:lost (hash)  request id -> what a lost call was charged
--   {p}:counted      the counters are true: since a rebuild from the ledger, by this name
-- A hold is {n: scopes, d: day, m: month, c: nano-dollars, k: tokens, t: {scope: tokens a minute}, e: ledger line}.

local DAY_TTL, MONTH_TTL, LOST_TTL = 3 * 86400, 63 * 86400, 2 * 86400

local function holds_count(p, kind, hold, nanos)
  if nanos == 0 then return end
  local amount = string.format('%.0f', nanos)
  for _, scope in ipairs(hold.n) do
    local day, month = p .. ':' .. kind .. ':' .. scope .. ':' .. hold.d, p .. ':' .. kind .. ':' .. scope .. ':' .. hold.m
    redis.call('INCRBY', day, amount)
    redis.call('EXPIRE', day, DAY_TTL)
    redis.call('INCRBY', month, amount)
    redis.call('EXPIRE', month, MONTH_TTL)
  end
end

-- Tokens that a bucket was charged too little or too much are put right: its `full_at` moves.
local function holds_correct_tokens(p, hold, tokens, now)
  for scope, limit in pairs(hold.t or {}) do
    local key = p .. ':tpm:' .. scope
    local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now) + (tokens - hold.k) * 60 / limit
    local left = full_at - now
    if left > 0 then
      redis.call('SET', key, string.format('%.6f', full_at), 'PX', math.ceil(left * 1000))
    else
      redis.call('DEL', key)
    end
  end
end

local function holds_free(p, id, hold)
  redis.call('HDEL', p .. ':holds', id)
  redis.call('ZREM', p .. ':holds:due', id)
  for _, scope in ipairs(hold.f or {}) do
    redis.call('ZREM', p .. ':flying:' .. scope, id)
  end
  holds_count(p, 'held', hold, -hold.c)
end

-- Calls whose process died are charged all they held: the upstream may have charged that much.
-- Their line in the ledger says `lost`; the call's own line replaces it, should it come after all.
local function holds_reap(p, now)
  local due = redis.call('ZRANGEBYSCORE', p .. ':holds:due', '-inf', now, 'LIMIT', 0, 20)
  for _, id in ipairs(due) do
    local packed = redis.call('HGET', p .. ':holds', id)
    if packed then
      local hold = cjson.decode(packed)
      holds_free(p, id, hold)
      if hold.e then
        holds_count(p, 'spent', hold, hold.c)
        redis.call('HSET', p .. ':lost', id, packed)
        redis.call('EXPIRE', p .. ':lost', LOST_TTL)
        local line = string.sub(hold.e, 1, -2) .. ',"cache":"miss","outcome":"lost","estimated":true,"cost_nanos":'
        redis.call('XADD', p .. ':ledger', '*', 'e', line .. string.format('%.0f', hold.c) .. '}')
      end
    else
      redis.call('ZREM', p .. ':holds:due', id)
    end
  end
end

local function holds_take(p, id, hold, lease, now)
  redis.call('HSET', p .. ':holds', id, cjson.encode(hold))
  redis.call('ZADD', p .. ':holds:due', now + lease, id)
  for _, scope in ipairs(hold.f or {}) do
    redis.call('ZADD', p .. ':flying:' .. scope, now + lease, id)
  end
  holds_count(p, 'held', hold, hold.c)
end

-- A call is over. `done` is {id, n: scopes, d: day, m: month, c: nano-dollars, k: tokens, held: the name of the
-- counters' rebuild under which it was admitted, empty where it was admitted without Redis}. Cases:
--   nothing is counted         it is on the recount's list; see recount.lua
--   its hold is there          free it, charge the actual cost
--   it was given up for lost   charge the difference
--   the counters are others    they were rebuilt or never knew it: charge it, once
--   neither                    it was settled before: nothing
local function holds_settle(p, done, now)
  local counted = redis.call('GET', p .. ':counted')
  if not counted then
    redis.call('INCR', p .. ':uncounted')
    return
  end
  local packed = redis.call('HGET', p .. ':holds', done.id)
  if packed then
    local hold = cjson.decode(packed)
    holds_free(p, done.id, hold)
    holds_correct_tokens(p, hold, done.k, now)
    holds_count(p, 'spent', hold, done.c)
    return
  end
  packed = redis.call('HGET', p .. ':lost', done.id)
  if packed then
    local hold = cjson.decode(packed)
    redis.call('HDEL', p .. ':lost', done.id)
    holds_count(p, 'spent', hold, done.c - hold.c)
    return
  end
  if done.held ~= counted then
    if redis.call('SET', p .. ':late:' .. done.id, '1', 'NX', 'EX', LOST_TTL) then
      holds_count(p, 'spent', done, done.c)
    end
  end
end
