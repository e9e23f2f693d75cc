-- lane_learn: take in what answers said of the upstream's limits; who fits now may go.
--
--   ARGV  1 prefix   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 longest queue
--         7 the Report of tidegate/queue/messages.py, a JSON object
-- Returns {1 if the lane is free, requests a minute, tokens a minute (0: unknown),
--          seconds until it is worth dispatching ('-1': nobody waits)}
-- include: order
-- include: lane

local function learn_belief(l, kind, left, age)
  local s, limit = l.s, l.s.limits[kind]
  if s.wary or age > LANE_FRESH or l.configured[kind] > 0 then
    return
  end
  local out = kind == 1 and s.out or s.out_tokens
  local least = math.max(0, left - out - LANE_DOUBT * limit)
  local since = l.now - s.least_since[kind]
  if since < LANE_PROOF then
    s.least[kind] = math.min(least, s.least[kind])
    return
  end
  local proven = math.min(least, s.least[kind], limit)
  if since < 2 * LANE_PROOF and proven > 0 then
    s.full_at[kind] = math.min(s.full_at[kind], l.now + (limit - proven) * LANE_SPAN / limit)
  end
  s.least[kind], s.least_since[kind] = least, l.now
end

local function learn_limit(l, kind, limit, left, age)
  local s = l.s
  local first = s.limits[kind] == 0
  s.limits[kind], s.free, l.free = limit, false, false
  if l.limits[kind] == 0 or first then
    l.limits[kind] = l.configured[kind] > 0 and l.configured[kind] or limit
  elseif l.configured[kind] == 0 then
    l.limits[kind] = limit
  end
  if left >= 0 then
    local used = l.limits[kind]
    local most = first and left - s.out or left + 1 + age * used / LANE_SPAN
    local level = math.max(0, math.min(most, used))
    s.full_at[kind] = math.max(s.full_at[kind], l.now + (used - level) * LANE_SPAN / used)
    learn_belief(l, kind, left, age)
  end
  if first then
    s.kept[kind] = math.max(0, math.min(LANE_RESERVE, lane_slack(l, kind) / 2))
  end
end

local function learn_hold(l, what, wait, tokens)
  local s, at, costs = l.s, l.now + wait, lane_taken(l, tokens)
  s.not_before = math.max(s.not_before, at)
  for kind, name in ipairs({'requests', 'tokens'}) do
    if name == what and l.limits[kind] > 0 then
      s.full_at[kind] = math.max(s.full_at[kind], at + LANE_SPAN - costs[kind])
    end
  end
end

local function learn_growth(l, succeeded)
  local s = l.s
  s.strikes = 0
  local known = lane_known(l)
  local step = s.wary and not known and succeeded / s.ramp or succeeded
  s.ramp = math.min(s.ramp + step, math.max(LANE_START, l.limits[1] > 0 and l.limits[1] or LANE_MOST))
  if not known and not s.wary and s.ramp >= LANE_FREE_AT then
    s.free, l.free = true, true
  end
end

local function learn_refusal(l, report)
  local s = l.s
  s.free, s.wary, l.free = false, true, false
  if l.now - report.age >= s.cut_at then
    s.cut_at = l.now
    s.strikes = s.strikes + 1
    s.ramp = math.max(LANE_LEAST, s.ramp / 2)
  end
  local wait = report.wait >= 0 and report.wait or math.min(LANE_BACKOFF, 2 ^ (math.max(1, s.strikes) - 1))
  learn_hold(l, report.refused, wait, report.tokens)
end

local terms = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local l = lane_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), terms)
local report = cjson.decode(ARGV[7])
l.configured = {terms.rpm, terms.tpm}
if report.answered > 0 then
  lane_come_back(l.s, report.answered)
  l.s.news = l.now
end
if report.rpm > 0 then
  learn_limit(l, 1, report.rpm, report.rpm_left, report.age)
end
if report.tpm > 0 then
  learn_limit(l, 2, report.tpm, report.tpm_left, report.age)
end
if report.shut_for > report.age then
  learn_hold(l, report.shut, report.shut_for - report.age, report.tokens)
end
if report.succeeded > 0 then
  learn_growth(l, report.succeeded)
end
if report.refused ~= '' then
  learn_refusal(l, report)
end
if report.outage then
  l.s.ramp, l.s.free, l.free = math.min(l.s.ramp, LANE_START), false, false
end
l.free = l.s.free and terms.rpm == 0 and terms.tpm == 0
l.dirty = true
local _, again = lane_dispatch(l)
lane_close(l)
return {l.s.free and 1 or 0, l.limits[1], l.limits[2], order_number(again)}
