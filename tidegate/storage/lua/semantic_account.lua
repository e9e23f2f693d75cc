-- semantic_account: the account of a project's semantic answers, of which some were wrong, or may have been.
--
-- Included by semantic_enter and semantic_settle. The rules are those of tidegate/cache/semantic/account.py, in the same
-- order of operations, so that both come to the same figures.
--   {p}:semantic_account:MODE:PROJECT (hash)  requests, price, the sums below, and the number of `steps` of the price
--   {p}:semantic_pending:MODE:PROJECT (hash)  request id -> until when its verdict may come, Unix seconds

local SEMANTIC_SUMS = {
  'audited_wrong', 'unaudited_risk', 'sampled_wrong', 'sampled_variance', 'pending', 'wrong', 'risk', 'lightly_wrong',
  'light_risk', 'verified_wrong', 'verified_doubt', 'confirmed', 'confirmable',
}
local SEMANTIC_KEEP_SECONDS = 7776000

-- Return the figures of an account; those that were never written are 0.
local function semantic_read(key)
  local figures = {}
  local values = redis.call('HMGET', key, 'requests', 'price', 'steps', unpack(SEMANTIC_SUMS))
  figures.requests, figures.price, figures.steps =
    tonumber(values[1] or '0'), tonumber(values[2] or '0'), tonumber(values[3] or '0')
  for n, name in ipairs(SEMANTIC_SUMS) do figures[name] = tonumber(values[n + 3] or '0') end
  return figures
end

-- Write the figures, with all digits.
local function semantic_write(key, figures)
  local fields = {}
  for name, value in pairs(figures) do
    fields[#fields + 1] = name
    fields[#fields + 1] = string.format('%.17g', value)
  end
  redis.call('HSET', key, unpack(fields))
  redis.call('EXPIRE', key, SEMANTIC_KEEP_SECONDS)
end

-- Return the figures as a flat list, for the reply.
local function semantic_reply(figures)
  local fields = {}
  for name, value in pairs(figures) do
    fields[#fields + 1] = name
    fields[#fields + 1] = string.format('%.17g', value)
  end
  return fields
end

local function semantic_wrong_bound(figures)
  local sampled = figures.sampled_wrong + 2.0 * math.sqrt(figures.sampled_variance)
  return figures.audited_wrong + math.max(figures.unaudited_risk, sampled)
end

-- Return whether one more answer may be wrong, and the promise still holds.
local function semantic_is_open(figures, rules)
  local allowed = rules.delta * (figures.requests + 100 * math.max(0.0, 1.0 - figures.requests / 500))
  return semantic_wrong_bound(figures) + 1.0 + figures.pending <= allowed
end

-- Move the price of risk by what a request spent of the promise.
local function semantic_step(figures, spent, rules)
  local delta = rules.delta
  local target = rules.spent_share * delta
  local unspent = (target * figures.requests - semantic_wrong_bound(figures)) / 1000.0
  local aim = math.max(-0.5 * delta, math.min(target + unspent, 2.0 * delta))
  local price = figures.price
  if price == 0 then price = rules.first_price end
  price = price * math.exp(rules.pace * (aim - spent) / delta)
  figures.price = math.min(rules.max_price, math.max(delta / rules.min_price_divisor, price))
  figures.steps = figures.steps + 1
end

-- Add the changes of a request, and move the price.
local function semantic_add(figures, change, rules)
  for _, name in ipairs(SEMANTIC_SUMS) do
    if change[name] then figures[name] = figures[name] + change[name] end
  end
  semantic_step(figures, change.spent or 0, rules)
end

-- Count each answer as wrong whose verdict has not come in time.
local function semantic_expire(pending_key, figures, now, rules)
  if figures.pending <= 0 then return end
  local entries = redis.call('HGETALL', pending_key)
  for n = 1, #entries, 2 do
    if tonumber(entries[n + 1]) <= now then
      redis.call('HDEL', pending_key, entries[n])
      semantic_add(figures, { pending = -1, audited_wrong = 1, wrong = 1, spent = 1 }, rules)
    end
  end
end
