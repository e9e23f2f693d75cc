-- limits: may these scopes ask now? Deciding writes nothing; taking comes after, once nothing refuses.
--
-- Included by admit. `terms` is what `tidegate.admission.terms` encodes:
--   p prefix · id · now · d day · m month · midnight, month_end (Unix seconds) · k tokens · c nano-dollars
--   scopes: a list of {n name, rpm, rpd, tpm, cc, bd, bm}; a limit that is not set is absent
-- Buckets are one number, `full_at`: when nothing of what was taken is missing any more (GCRA, ITU-T I.371).
-- A refusal is {what, scope, limit, used, requested, wait}; numbers as text, wait in seconds, -1 for never.

local function limits_text(number) return string.format('%.6f', number) end

local function limits_refusal(what, scope, limit, used, requested, wait)
  return { 'refuse', what, scope, limits_text(limit), limits_text(math.max(0, used)), limits_text(requested),
    limits_text(wait) }
end

local function limits_bucket(kind, key, scope, limit, amount, now)
  if amount > limit then
    return limits_refusal(kind == 'tokens' and 'too_large' or kind, scope, limit, 0, amount, -1)
  end
  local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local wait = full_at + amount * 60 / limit - now - 60
  if wait > 0.000001 then
    return limits_refusal(kind, scope, limit, (full_at - now) * limit / 60, amount, wait)
  end
end

local function limits_refuse_request(terms)
  for _, s in ipairs(terms.scopes) do
    if s.rpm then
      local refusal = limits_bucket('requests', terms.p .. ':rpm:' .. s.n, s.n, s.rpm, 1, terms.now)
      if refusal then return refusal end
    end
    if s.rpd then
      local used = tonumber(redis.call('GET', terms.p .. ':rpd:' .. s.n .. ':' .. terms.d) or '0')
      if used + 1 > s.rpd then
        return limits_refusal('day', s.n, s.rpd, used, 1, terms.midnight - terms.now)
      end
    end
  end
end

local function limits_refuse_flight(terms)
  for _, s in ipairs(terms.scopes) do
    if s.cc then
      local key = terms.p .. ':flying:' .. s.n
      redis.call('ZREMRANGEBYSCORE', key, '-inf', terms.now)
      local flying = redis.call('ZCARD', key)
      if flying + 1 > s.cc then
        return limits_refusal('concurrency', s.n, s.cc, flying, 1, 1)
      end
    end
  end
end

-- `budget`: what was spent leaves no room until the renewal. `budget_held`: only what calls under way may still
-- spend does not, and most of that comes back.
local function limits_refuse_budget(terms, s, limit, period, renewal)
  local spent = tonumber(redis.call('GET', terms.p .. ':spent:' .. s.n .. ':' .. period) or '0')
  local held = tonumber(redis.call('GET', terms.p .. ':held:' .. s.n .. ':' .. period) or '0')
  if spent + terms.c > limit then
    return limits_refusal('budget', s.n, limit, spent, terms.c, renewal - terms.now)
  end
  if spent + held + terms.c > limit then
    return limits_refusal('budget_held', s.n, limit, spent + held, terms.c, 1)
  end
end

local function limits_refuse_spending(terms)
  for _, s in ipairs(terms.scopes) do
    local refusal
    if s.tpm then
      refusal = limits_bucket('tokens', terms.p .. ':tpm:' .. s.n, s.n, s.tpm, terms.k, terms.now)
    end
    if not refusal and s.bd then
      refusal = limits_refuse_budget(terms, s, s.bd, terms.d, terms.midnight)
    end
    if not refusal and s.bm then
      refusal = limits_refuse_budget(terms, s, s.bm, terms.m, terms.month_end)
    end
    if refusal then return refusal end
  end
end

local function limits_take_bucket(key, limit, amount, now)
  local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now) + amount * 60 / limit
  redis.call('SET', key, limits_text(full_at), 'PX', math.ceil((full_at - now) * 1000))
  return full_at - now
end

-- What the caller is told of its limits: of each kind the first scope that has one.
local function limits_told(told, kind, limit, missing)
  if told[kind] then return end
  told[kind] = { limit, math.max(0, math.floor(limit - missing * limit / 60 + 0.000001)), missing }
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

-- Takes the tokens and holds the money; `line` is the ledger entry as it would be if the call were lost.
local function limits_take_call(terms, told, line, spends)
  local hold = { n = {}, f = {}, t = {}, d = terms.d, m = terms.m, c = 0, k = 0 }
  for _, s in ipairs(terms.scopes) do
    hold.n[#hold.n + 1] = s.n
    if s.cc then hold.f[#hold.f + 1] = s.n end
    if spends and s.tpm then
      hold.t[s.n] = s.tpm
      limits_told(told, 'tokens', s.tpm, limits_take_bucket(terms.p .. ':tpm:' .. s.n, s.tpm, terms.k, terms.now))
    end
  end
  if spends then
    hold.c, hold.k, hold.e = terms.c, terms.k, line
  end
  holds_take(terms.p, terms.id, hold, terms.lease, terms.now)
end
