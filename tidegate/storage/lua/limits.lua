-- limits: may these scopes ask now? Deciding writes nothing; taking comes after, once nothing refuses.
--
-- Included by admit, after holds. `terms` is what `tidegate.limits.scopes` encodes, as MessagePack:
--   p prefix · id · again · d day · m month · midnight, month_end (Unix seconds) · k tokens · c nano-dollars · lease
--   now, which is added
--   n: the names of all scopes the call counts in
--   scopes: a list of {n name, rpm, rpd, tpm, cc, bd, bm}, those that limit something; a limit that is not set is absent
-- Buckets are one number, `full_at`: when nothing of what was taken is missing any more (GCRA, ITU-T I.371).
-- A refusal is {what, scope, limit, used, requested, wait}, wait in seconds, infinite for never. Of several that
-- refuse the longest wait counts, so that it is true: after it all of them let the call pass.

local NEVER = math.huge

local function limits_text(number) return string.format('%.6f', number) end

-- As the caller of the script reads it: numbers as text, -1 for never.
local function limits_refused(r)
  local wait = r[6] == NEVER and -1 or math.max(0, r[6])
  return { 'refuse', r[1], r[2], limits_text(r[3]), limits_text(math.max(0, r[4])), limits_text(r[5]), limits_text(wait) }
end

local function limits_json(told) return next(told) and cjson.encode(told) or '{}' end

local function limits_longer(one, other)
  if not one or not other then return one or other end
  return other[6] > one[6] and other or one
end

local function limits_bucket(kind, key, scope, limit, amount, now)
  if amount > limit or limit == 0 then
    return { kind == 'tokens' and 'too_large' or kind, scope, limit, 0, amount, NEVER }
  end
  local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local wait = full_at + amount * 60 / limit - now - 60
  if wait > 0.000001 then
    return { kind, scope, limit, (full_at - now) * limit / 60, amount, wait }
  end
end

local function limits_refuse_request(terms)
  local refusal
  for _, s in ipairs(terms.scopes) do
    if s.rpm then
      refusal = limits_longer(refusal, limits_bucket('requests', terms.p .. ':rpm:' .. s.n, s.n, s.rpm, 1, terms.now))
    end
    if s.rpd then
      local used = tonumber(redis.call('GET', terms.p .. ':rpd:' .. s.n .. ':' .. terms.d) or '0')
      if used + 1 > s.rpd then
        local wait = s.rpd == 0 and NEVER or terms.midnight - terms.now
        refusal = limits_longer(refusal, { 'day', s.n, s.rpd, used, 1, wait })
      end
    end
  end
  return refusal
end

-- Nobody knows when a call in flight ends; a second is a guess.
local function limits_refuse_flight(terms)
  local refusal
  for _, s in ipairs(terms.scopes) do
    if s.cc then
      local flying = redis.call('ZCOUNT', terms.p .. ':flying:' .. s.n, '(' .. limits_text(terms.now), '+inf')
      if flying + 1 > s.cc then
        refusal = limits_longer(refusal, { 'concurrency', s.n, s.cc, flying, 1, s.cc == 0 and NEVER or 1 })
      end
    end
  end
  return refusal
end

-- `budget`: what was spent leaves no room until the renewal, or the whole budget is too small for this call.
-- `budget_held`: only what calls under way may still spend does not, and most of that comes back.
local function limits_budget(terms, s, limit, period, renewal)
  local spent = tonumber(redis.call('GET', terms.p .. ':spent:' .. s.n .. ':' .. period) or '0')
  local held = tonumber(redis.call('GET', terms.p .. ':held:' .. s.n .. ':' .. period) or '0')
  if terms.c > limit then
    return { 'budget', s.n, limit, spent, terms.c, NEVER }
  elseif spent + terms.c > limit then
    return { 'budget', s.n, limit, spent, terms.c, renewal - terms.now }
  elseif spent + held + terms.c > limit then
    return { 'budget_held', s.n, limit, spent + held, terms.c, 1 }
  end
end

local function limits_has_budget(terms)
  if terms.c == 0 then return false end
  for _, s in ipairs(terms.scopes) do
    if s.bd or s.bm then return true end
  end
  return false
end

-- `counted`: the budgets' counters are true.
local function limits_refuse_spending(terms, counted)
  local refusal
  for _, s in ipairs(terms.scopes) do
    if s.tpm then
      local key = terms.p .. ':tpm:' .. s.n
      refusal = limits_longer(refusal, limits_bucket('tokens', key, s.n, s.tpm, terms.k, terms.now))
    end
    if counted and terms.c > 0 then
      if s.bd then refusal = limits_longer(refusal, limits_budget(terms, s, s.bd, terms.d, terms.midnight)) end
      if s.bm then refusal = limits_longer(refusal, limits_budget(terms, s, s.bm, terms.m, terms.month_end)) end
    end
  end
  return refusal
end

local function limits_take_bucket(key, limit, amount, now)
  local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now) + amount * 60 / limit
  redis.call('SET', key, limits_text(full_at), 'PX', math.ceil((full_at - now) * 1000) + SLACK_MS)
  return full_at - now
end

-- What the caller is told of its limits: of each kind the one of which the least is left.
local function limits_told(told, kind, limit, missing)
  local left = math.max(0, math.floor(limit - missing * limit / 60 + 0.000001))
  if not told[kind] or left < told[kind][2] then told[kind] = { limit, left, missing } end
end

local function limits_take_request(terms, told)
  for _, s in ipairs(terms.scopes) do
    if s.rpm then
      limits_told(told, 'requests', s.rpm, limits_take_bucket(terms.p .. ':rpm:' .. s.n, s.rpm, 1, terms.now))
    end
    if s.rpd then
      local key = terms.p .. ':rpd:' .. s.n .. ':' .. terms.d
      redis.call('INCR', key)
      redis.call('EXPIRE', key, 2 * 86400)
    end
  end
end

local function limits_take_tokens(terms, told)
  for _, s in ipairs(terms.scopes) do
    if s.tpm then
      limits_told(told, 'tokens', s.tpm, limits_take_bucket(terms.p .. ':tpm:' .. s.n, s.tpm, terms.k, terms.now))
    end
  end
end
