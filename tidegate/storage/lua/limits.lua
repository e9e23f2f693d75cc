-- limits: check and take the callers' limits: requests and tokens a minute, requests a day, calls in flight, budgets.
--
-- Included by admit, after reservations. The check functions write nothing; the take functions run once nothing rejects.
-- `request` is the Reservation of tidegate/limits/scopes.py as MessagePack, under its short names:
--   p prefix · id · again (readmitted) · d day · w week · m month · midnight, week_end, month_end (Unix
--   seconds) · k tokens · c nano-dollars ·
--   lease (seconds) · z the time zone of day and month, absent for UTC · now, which admit adds
--   n: the names of all scopes the call counts in · u: how many end users, or tags, of a project are counted, absent for
--   any number
--   scopes: a list of {n name, rpm, rpd, tpm, cc concurrency, bd budget a day, bw a week, bm a month}: those that
--   limit something; a limit that is not set is absent
-- A bucket is one number, `full_at`: the moment at which it is full again (GCRA, ITU-T I.371). Taking an amount moves it
-- on by the amount's refill time; an amount fits while `full_at` stays within one window of 60 s from now.
-- A rejection is {kind, scope, limit, used, requested, wait}, wait in seconds, infinite for never. If several limits
-- reject, the one with the longest wait is returned: after that wait all of them let the call pass.

local NEVER = math.huge
local NEARLY_USED = 0.8 -- the share of a budget from which on its calls are told; tidegate/limits/decision.py has it, too

local function limits_text(number) return string.format('%.6f', number) end

-- Return the script's reply for a rejection: numbers as text, -1 for never.
local function limits_rejection_reply(r)
  local wait = r[6] == NEVER and -1 or math.max(0, r[6])
  return { 'refuse', r[1], r[2], limits_text(r[3]), limits_text(math.max(0, r[4])), limits_text(r[5]), limits_text(wait) }
end

local function limits_json(remaining) return next(remaining) and cjson.encode(remaining) or '{}' end

local function limits_longer_wait(one, other)
  if not one or not other then return one or other end
  return other[6] > one[6] and other or one
end

local function limits_check_bucket(kind, key, scope, limit, amount, now)
  if amount > limit or limit == 0 then
    return { kind == 'tokens' and 'too_large' or kind, scope, limit, 0, amount, NEVER }
  end
  local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now)
  local wait = full_at + amount * 60 / limit - now - 60
  if wait > 0.000001 then
    return { kind, scope, limit, (full_at - now) * limit / 60, amount, wait }
  end
end

-- Callers choose the names of end users and the values of tags, and the counters of each are kept until its day or month
-- is over. So only so many of a project are counted: {p}:named:PROJECT:PERIOD (set) has a hash of each name. Return this
-- key, the hash and the end of the period; nothing for scopes whose counters are gone within minutes.
local function limits_named(request, s)
  local has_budget = s.bd or s.bw or s.bm
  if not request.u or not (has_budget or s.rpd) then return end
  local project = string.match(s.n, '^user/([^/]*)/') or string.match(s.n, '^tag/([^/]*)/')
  if not project then return end
  local period, ends = request.d, request.midnight
  if has_budget then period, ends = request.m, request.month_end end
  return name_of_period(request.p, 'named', project, period), string.sub(redis.sha1hex(s.n), 1, 16), ends
end

local function limits_check_name(request, s)
  local key, name, ends = limits_named(request, s)
  if not key or redis.call('SISMEMBER', key, name) == 1 then return end
  local named = redis.call('SCARD', key)
  if named >= request.u then return { 'names', s.n, request.u, named, 1, ends - request.now } end
end

local function limits_take_name(request, s)
  local key, name, ends = limits_named(request, s)
  if key and redis.call('SADD', key, name) == 1 then
    redis.call('EXPIRE', key, math.ceil(ends - request.now) + 3600)
  end
end

local function limits_check_requests(request)
  local rejection
  for _, s in ipairs(request.scopes) do
    rejection = limits_longer_wait(rejection, limits_check_name(request, s))
    if s.rpm then
      local key = name_of(request.p, 'rpm', s.n)
      rejection = limits_longer_wait(rejection, limits_check_bucket('requests', key, s.n, s.rpm, 1, request.now))
    end
    if s.rpd then
      local used = tonumber(redis.call('GET', name_of_period(request.p, 'rpd', s.n, request.d)) or '0')
      if used + 1 > s.rpd then
        local wait = s.rpd == 0 and NEVER or request.midnight - request.now
        rejection = limits_longer_wait(rejection, { 'day', s.n, s.rpd, used, 1, wait })
      end
    end
  end
  return rejection
end

-- The end of a call in flight cannot be predicted: its wait is always one second.
local function limits_check_concurrency(request)
  local rejection
  for _, s in ipairs(request.scopes) do
    if s.cc then
      local flying = redis.call('ZCOUNT', name_of(request.p, 'flying', s.n), '(' .. limits_text(request.now), '+inf')
      if flying + 1 > s.cc then
        rejection = limits_longer_wait(rejection, { 'concurrency', s.n, s.cc, flying, 1, s.cc == 0 and NEVER or 1 })
      end
    end
  end
  return rejection
end

-- `budget`: too much is spent already, so the call must wait for the renewal; or the whole budget is too small for it.
-- `budget_held`: the money is reserved by calls in progress, and most of it comes back when they end.
-- A budget that is nearly used is noted in `request.near`.
local function limits_check_budget(request, s, limit, period, renewal, kind)
  local spent = tonumber(redis.call('GET', name_of_period(request.p, 'spent', s.n, period)) or '0')
  local held = tonumber(redis.call('GET', name_of_period(request.p, 'held', s.n, period)) or '0')
  if request.c > limit then
    return { 'budget', s.n, limit, spent, request.c, NEVER }
  elseif spent + request.c > limit then
    return { 'budget', s.n, limit, spent, request.c, renewal - request.now }
  elseif spent + held + request.c > limit then
    return { 'budget_held', s.n, limit, spent + held, request.c, 1 }
  end
  if spent >= NEARLY_USED * limit then
    request.near = request.near or {}
    request.near[#request.near + 1] = { scope = s.n, period = kind, spent = spent, limit = limit, when = period, ends = renewal }
  end
end

local function limits_has_budget(request)
  if request.c == 0 then return false end
  for _, s in ipairs(request.scopes) do
    if s.bd or s.bw or s.bm then return true end
  end
  return false
end

local function limits_has_week(request)
  for _, s in ipairs(request.scopes) do
    if s.bw then return true end
  end
  return false
end

-- `counted`: the budget counters are valid.
local function limits_check_spending(request, counted)
  local rejection
  for _, s in ipairs(request.scopes) do
    if s.tpm then
      local key = name_of(request.p, 'tpm', s.n)
      rejection = limits_longer_wait(rejection, limits_check_bucket('tokens', key, s.n, s.tpm, request.k, request.now))
    end
    if counted and request.c > 0 then
      if s.bd then
        local of_day = limits_check_budget(request, s, s.bd, request.d, request.midnight, 'day')
        rejection = limits_longer_wait(rejection, of_day)
      end
      if s.bw then
        local of_week = limits_check_budget(request, s, s.bw, request.w, request.week_end, 'week')
        rejection = limits_longer_wait(rejection, of_week)
      end
      if s.bm then
        local of_month = limits_check_budget(request, s, s.bm, request.m, request.month_end, 'month')
        rejection = limits_longer_wait(rejection, of_month)
      end
    end
  end
  return rejection
end

local function limits_take_bucket(key, limit, amount, now)
  local full_at = math.max(tonumber(redis.call('GET', key) or '0'), now) + amount * 60 / limit
  redis.call('SET', key, limits_text(full_at), 'PX', math.ceil((full_at - now) * 1000) + SLACK_MS)
  return full_at - now
end

-- Note for the caller what remains of its limits: of each kind the limit with the smallest remainder.
local function limits_note_remaining(remaining, kind, limit, missing)
  local left = math.max(0, math.floor(limit - missing * limit / 60 + 0.000001))
  if not remaining[kind] or left < remaining[kind][2] then remaining[kind] = { limit, left, missing } end
end

local function limits_take_request(request, remaining)
  for _, s in ipairs(request.scopes) do
    limits_take_name(request, s)
    if s.rpm then
      local missing = limits_take_bucket(name_of(request.p, 'rpm', s.n), s.rpm, 1, request.now)
      limits_note_remaining(remaining, 'requests', s.rpm, missing)
    end
    if s.rpd then
      local key = name_of_period(request.p, 'rpd', s.n, request.d)
      redis.call('INCR', key)
      redis.call('EXPIRE', key, math.ceil(request.midnight - request.now) + 3600)
    end
  end
end

-- Note for the caller the budget that is used most, and those that are warned of for the first time in their period.
local function limits_take_near(request, remaining)
  local most = 0
  for _, near in ipairs(request.near or {}) do
    local told = { near.scope, near.period, near.spent, near.limit }
    if near.spent / near.limit >= most then
      most, remaining.budget = near.spent / near.limit, told
    end
    local key = name_of_period(request.p, 'warned', near.scope, near.when)
    local seconds = math.ceil(near.ends - request.now) + 3600
    if redis.call('SET', key, '1', 'NX', 'EX', seconds) then
      remaining.first_warned = remaining.first_warned or {}
      remaining.first_warned[#remaining.first_warned + 1] = told
    end
  end
end

local function limits_take_tokens(request, remaining)
  for _, s in ipairs(request.scopes) do
    if s.tpm then
      local missing = limits_take_bucket(name_of(request.p, 'tpm', s.n), s.tpm, request.k, request.now)
      limits_note_remaining(remaining, 'tokens', s.tpm, missing)
    end
  end
end
