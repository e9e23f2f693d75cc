-- capacity_learn: apply what responses said about the upstream's limits; then dispatch.
--
--   ARGV  1 prefix   2 lane   3 now, Unix seconds   4 rpm   5 tpm   6 the most calls that may wait
--         7 the CapacityReport of tidegate/queue/messages.py, a JSON object
-- Returns {1 if the lane has no limits, requests a minute, tokens a minute (0: unknown),
--          seconds until the next dispatch is worth it ('-1': no call waits)}
-- include: names
-- include: fair_queue
-- include: capacity

local MAX_LANES, MAX_FORGOTTEN = 2000, 20

local function learn_raise_estimate(lane, kind, left, age)
  local state, limit = lane.state, lane.state.limits[kind]
  if state.wary or age > FRESH_SECONDS or lane.configured[kind] > 0 then
    return
  end
  local out = kind == 1 and state.out or state.out_tokens
  local least = math.max(0, left - out - DOUBT_RATIO * limit)
  local since = lane.now - state.least_since[kind]
  if since < PROOF_SECONDS then
    state.least[kind] = math.min(least, state.least[kind])
    return
  end
  local proven = math.min(least, state.least[kind], limit)
  if since < 2 * PROOF_SECONDS and proven > 0 then
    state.full_at[kind] = math.min(state.full_at[kind], lane.now + (limit - proven) * WINDOW_SECONDS / limit)
  end
  state.least[kind], state.least_since[kind] = least, lane.now
end

local function learn_limit(lane, kind, limit, left, age)
  local state = lane.state
  local first = state.limits[kind] == 0
  state.limits[kind], state.free, lane.free = limit, false, false
  if lane.limits[kind] == 0 or first then
    lane.limits[kind] = lane.configured[kind] > 0 and lane.configured[kind] or limit
  elseif lane.configured[kind] == 0 then
    lane.limits[kind] = limit
  end
  if left >= 0 then
    local used = lane.limits[kind]
    local most = first and left - state.out or left + 1 + age * used / WINDOW_SECONDS
    local level = math.max(0, math.min(most, used))
    state.full_at[kind] = math.max(state.full_at[kind], lane.now + (used - level) * WINDOW_SECONDS / used)
    learn_raise_estimate(lane, kind, left, age)
  end
  if first then
    state.kept[kind] = math.max(0, math.min(LIGHT_RESERVE_SECONDS, capacity_free_seconds(lane, kind) / 2))
  end
end

local function learn_pause(lane, what, wait, tokens)
  local state, at, costs = lane.state, lane.now + wait, capacity_refill_seconds(lane, tokens)
  state.not_before = math.max(state.not_before, at)
  if wait > LOOK_SECONDS then
    state.look_at, state.closed_at = lane.now + LOOK_SECONDS, lane.now
    redis.call('SADD', lane.prefix .. ':lanes' .. LANE_VERSION, lane.name) -- so that an operator sees and ends it
  end
  for kind, name in ipairs({'requests', 'tokens'}) do
    if name == what and lane.limits[kind] > 0 then
      state.full_at[kind] = math.max(state.full_at[kind], at + WINDOW_SECONDS - costs[kind])
    end
  end
end

local function learn_grow_window(lane, succeeded)
  local state = lane.state
  state.strikes, state.run = 0, state.run + succeeded
  local known = capacity_has_limit(lane)
  local step = state.wary and not known and succeeded / state.ramp or succeeded
  local largest = math.max(START_WINDOW, lane.limits[1] > 0 and lane.limits[1] or MAX_WINDOW)
  state.ramp = math.min(state.ramp + step, largest)
  if not known and not state.wary and state.ramp >= UNLIMITED_WINDOW then
    state.free, lane.free = true, true
  end
end

local function learn_shows_reopening(lane, report)
  local state = lane.state
  local sent_at = lane.now - report.age
  return state.look_at > 0 and lane.now < state.not_before and sent_at > state.closed_at + RECHECK_SECONDS
end

local function learn_is_own_refusal(lane, report)
  local refusals = math.max(1, report.answered - report.succeeded)
  return lane.state.run >= OWN_REFUSAL_RUN * refusals
end

local function learn_cut_window(lane, report)
  local state = lane.state
  state.free, state.wary, lane.free = false, true, false
  if lane.now - report.age >= state.cut_at then
    state.cut_at = lane.now
    state.strikes = state.strikes + 1
    state.ramp = math.max(MIN_WINDOW, state.ramp / 2)
  end
  local wait = report.wait >= 0 and report.wait or math.min(MAX_BACKOFF_SECONDS, 2 ^ (math.max(1, state.strikes) - 1))
  learn_pause(lane, report.refused, wait, report.tokens)
end

-- Note that there is news of the lane. Of very many lanes, those without news for longest are forgotten, unless calls wait.
local function learn_forget_lanes(lane)
  local known = lane.prefix .. ':lanes_known' .. LANE_VERSION
  redis.call('ZADD', known, lane.now, lane.name)
  redis.call('EXPIRE', known, LANE_TTL)
  local surplus = redis.call('ZCARD', known) - MAX_LANES
  for _, name in ipairs(surplus > 0 and redis.call('ZRANGE', known, 0, math.min(surplus, MAX_FORGOTTEN) - 1) or {}) do
    redis.call('ZREM', known, name)
    if redis.call('EXISTS', name_of_lane(lane.prefix, 'lane_waiting', name)) == 0 then
      redis.call('DEL', name_of_lane(lane.prefix, 'lane', name), name_of_lane(lane.prefix, 'lane_flows', name))
      redis.call('SREM', lane.prefix .. ':lanes' .. LANE_VERSION, name)
    end
  end
end

local config = {rpm = tonumber(ARGV[4]), tpm = tonumber(ARGV[5]), longest = tonumber(ARGV[6])}
local lane = capacity_open(ARGV[1], ARGV[2], tonumber(ARGV[3]), config)
local report = cjson.decode(ARGV[7])
lane.configured = {config.rpm, config.tpm}
if report.answered > 0 then
  capacity_mark_answered(lane.state, report.answered)
  lane.state.news = lane.now
end
if report.succeeded > 0 and learn_shows_reopening(lane, report) then
  capacity_reopen(lane)
end
if report.rpm > 0 then
  learn_limit(lane, 1, report.rpm, report.rpm_left, report.age)
end
if report.tpm > 0 then
  learn_limit(lane, 2, report.tpm, report.tpm_left, report.age)
end
if report.shut_for > report.age then
  learn_pause(lane, report.shut, report.shut_for - report.age, report.tokens)
end
if report.succeeded > 0 then
  learn_grow_window(lane, report.succeeded)
end
if report.refused ~= '' and not learn_is_own_refusal(lane, report) then
  learn_cut_window(lane, report)
end
if report.refused ~= '' or report.outage then
  lane.state.run = 0
end
if report.outage then
  lane.state.ramp, lane.state.free, lane.free = math.min(lane.state.ramp, START_WINDOW), false, false
end
lane.free = lane.state.free and config.rpm == 0 and config.tpm == 0
lane.dirty = true
local _, again = capacity_dispatch(lane)
capacity_close(lane)
learn_forget_lanes(lane)
return {lane.state.free and 1 or 0, lane.limits[1], lane.limits[2], fair_queue_number(again)}
