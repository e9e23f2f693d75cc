-- capacity: the upstream's capacity for one credential and model (a lane), and the queue in front of it.
--
-- Include this after fair_queue.lua. The rules and their arithmetic are those of tidegate/queue/capacity.py, which
-- explains them (token buckets as GCRA, a slow-start window that is halved on a 429); tests/queue/test_store.py runs both
-- through the same steps and compares the results.
--
--   local lane = capacity_open(prefix, name, now, config, packed)
--       prefix: '{tidegate}'; config: {rpm=, tpm=, longest=}; packed: the state, if the caller has read it at
--       capacity_key already (false: there is none)
--   local verdict = capacity_decide(lane, entry)     only reads
--       entry: {member=, tokens=, flow=, weight=, deadline=, seq=}; seq only when the call comes back after a 429
--       verdict: {kind='granted', seq=} | {kind='queued', seq=, eta=, ahead=} | {kind='refused', eta=, full=}
--   capacity_consume(lane, entry)                    after 'granted'
--   capacity_enqueue(lane, entry, verdict)           after 'queued'
--   local granted, again = capacity_dispatch(lane)   publishes the grants; again: seconds, -1 where no call waits
--   capacity_close(lane)                             writes the state, if it changed
--
-- Keys, named by names.lua; those of a lane expire after a day without use, or after ten minutes if nothing was learnt:
-- callers choose models' names
--   lane, by lane             string, MessagePack: the state, see below
--   lane_line, by lane and '<project>/<weight>'  sorted set: the waiting calls of one flow, by sequence number
--   lane_waiting, by lane     hash: member to MessagePack {seq, tokens, flow, weight, deadline, since}
--   lane_flows, by lane       hash: '<project>/<weight>' to MessagePack {waiting calls, waiting tokens, start tag,
--                             usage_until}
--   lanes                     set: the names of lanes that had a queue
--   lanes_known               sorted set: the lanes of which there was news, by the time of the last
--   alive, by process         exists while the process is alive
--   lane_grants, by process   channel: MessagePack {lane's name, {member, seq, tokens}…}
--
-- The state is stored under the short names on the left, so that processes of two versions can share it; on the right
-- are the names of CapacityState in tidegate/queue/capacity.py. Fields not listed have the same name in both.
--   kept  light_reserve       ramp  window                out    unanswered       out_tokens   unanswered_tokens
--   news  last_answer_at      cut_at  window_cut_at       least  min_remaining    least_since  min_remaining_since
--   run   successes_in_row
--   free  unlimited           wary  has_rejected          strikes  rejections_in_row
local WINDOW_SECONDS, MARGIN_SECONDS, PACE_SECONDS, LIGHT_RESERVE_SECONDS = 60, 0.1, 0.25, 6
local START_WINDOW, MIN_WINDOW, MAX_WINDOW, UNLIMITED_WINDOW = 3, 1, 10000, 64
local SILENCE_SECONDS, MAX_BACKOFF_SECONDS, MAX_GRANTS, RECHECK_SECONDS = 60, 32, 200, 1
local LANE_TTL, NEW_LANE_TTL, CLOCK_STEP_SECONDS = 86400, 600, 5
local OWN_REFUSAL_RUN, LOOK_SECONDS = 20, 30
local FRESH_SECONDS, PROOF_SECONDS, DOUBT_RATIO = 1, 2, 0.1

-- When the clock was set back, move all moments back by the same amount; else no call would go until it caught up.
local function capacity_follow_clock_back(state, now)
  local back = state.news - now
  if back > CLOCK_STEP_SECONDS then
    for kind = 1, 2 do state.full_at[kind] = state.full_at[kind] - back end
    state.pace_at, state.not_before, state.cut_at = state.pace_at - back, state.not_before - back, state.cut_at - back
    state.look_at, state.closed_at = state.look_at - back, state.closed_at - back
    state.least_since, state.news = {0, 0}, now
  end
end

local function capacity_key(prefix, name)
  return name_of_lane(prefix, 'lane', name)
end

local function capacity_open(prefix, name, now, config, packed)
  local key = capacity_key(prefix, name)
  if packed == nil then
    packed = redis.call('GET', key)
  end
  local state = packed and cmsgpack.unpack(packed) or {
    limits = {0, 0}, full_at = {0, 0}, kept = {0, 0}, pace_at = 0, not_before = 0, ramp = START_WINDOW, out = 0,
    out_tokens = 0, least = {0, 0}, least_since = {0, 0}, news = 0, cut_at = 0, strikes = 0, free = false, wary = false,
    clock = 0, latest = 0, seq = 0, tokens = 0,
  }
  state.run, state.look_at, state.closed_at = state.run or 0, state.look_at or 0, state.closed_at or 0
  capacity_follow_clock_back(state, now)
  local limits = {
    config.rpm > 0 and config.rpm or state.limits[1],
    config.tpm > 0 and config.tpm or state.limits[2],
  }
  local lane = {
    prefix = prefix, name = name, key = key, now = now, config = config, state = state, limits = limits,
    waiting = name_of_lane(prefix, 'lane_waiting', name), flows_key = name_of_lane(prefix, 'lane_flows', name), flows = {}, changed = {}, skipped = {},
    dirty = false, read = false, length = -1,
  }
  lane.free = state.free and config.rpm == 0 and config.tpm == 0
  return lane
end

local function capacity_has_learnt(state)
  return state.limits[1] > 0 or state.limits[2] > 0 or state.free or state.wary or state.run > 0
end

local function capacity_close(lane)
  local ttl = capacity_has_learnt(lane.state) and LANE_TTL or NEW_LANE_TTL
  fair_queue_close(lane, ttl)
  if lane.dirty then
    redis.call('SET', lane.key, cmsgpack.pack(lane.state), 'EX', ttl)
  end
end

-- The functions below only read.

local function capacity_refill_seconds(lane, tokens)
  local costs = capacity_costs(lane, 1, tokens)
  return {math.min(WINDOW_SECONDS, costs[1]), math.min(WINDOW_SECONDS, costs[2])}
end

local function capacity_free_seconds(lane, kind)
  return WINDOW_SECONDS - MARGIN_SECONDS - math.max(0, lane.state.full_at[kind] - lane.now)
end

local function capacity_light_reserve(lane)
  local reserve = {0, 0}
  for kind = 1, 2 do
    if lane.limits[kind] > 0 then
      local available = math.max(0, capacity_free_seconds(lane, kind))
      local target = lane.state.kept[kind]
      if fair_queue_length(lane) == 0 then
        target = math.max(target, available / 2)
      end
      reserve[kind] = math.min(LIGHT_RESERVE_SECONDS, target, available)
    end
  end
  return reserve
end

local function capacity_unanswered(lane)
  return lane.now - lane.state.news > SILENCE_SECONDS and 0 or lane.state.out
end

local function capacity_mark_answered(state, answered)
  local back = math.min(answered, state.out)
  if back > 0 then
    state.out_tokens = state.out_tokens - state.out_tokens * back / state.out
  end
  state.out = state.out - back
end

local function capacity_refresh(lane)
  lane.state.kept = capacity_light_reserve(lane)
  capacity_mark_answered(lane.state, lane.state.out - capacity_unanswered(lane))
  lane.dirty = true
end

local function capacity_buckets_allow_at(lane, total, entry, reserve)
  local own = capacity_refill_seconds(lane, entry.tokens)
  local at = math.max(lane.now, lane.state.not_before)
  for kind = 1, 2 do
    if lane.limits[kind] > 0 then
      local level = math.max(WINDOW_SECONDS - MARGIN_SECONDS - reserve[kind], own[kind])
      at = math.max(at, math.max(lane.state.full_at[kind], lane.now) + total[kind] - level)
    end
  end
  return at
end

local function capacity_has_limit(lane)
  return lane.limits[1] > 0 or lane.limits[2] > 0
end

local function capacity_window_allows_at(lane)
  if lane.free or capacity_unanswered(lane) + 1 <= lane.state.ramp then
    return lane.now
  end
  return capacity_has_limit(lane) and math.max(lane.now, lane.state.pace_at - PACE_SECONDS) or math.huge
end

local function capacity_may_look(lane)
  local look_at = lane.state.look_at
  return look_at > 0 and look_at <= lane.now and lane.now < lane.state.not_before
end

local function capacity_seconds_until_grant(lane, entry)
  if capacity_may_look(lane) then
    return 0
  end
  local own = capacity_refill_seconds(lane, entry.tokens)
  local buckets_at = capacity_buckets_allow_at(lane, own, entry, capacity_light_reserve(lane))
  return math.max(buckets_at, capacity_window_allows_at(lane)) - lane.now
end

local function capacity_is_light(lane, entry)
  local costs = capacity_refill_seconds(lane, entry.tokens)
  local used = fair_queue_usage_seconds(lane, fair_queue_flow(lane, fair_queue_flow_id(entry)))
  return used + math.max(costs[1], costs[2]) / USAGE_SHARE <= WINDOW_SECONDS
end

local function capacity_eta(lane, entry, calls, tokens)
  local own, ahead = capacity_refill_seconds(lane, entry.tokens), capacity_costs(lane, calls, tokens)
  local total = {ahead[1] + own[1], ahead[2] + own[2]}
  local at = capacity_buckets_allow_at(lane, total, entry, capacity_light_reserve(lane))
  if not capacity_has_limit(lane) then
    at = at + math.log(1 + calls / lane.state.ramp) / math.log(2)
  end
  return at - lane.now
end

local function capacity_decide(lane, entry)
  local seq = entry.seq or lane.state.seq
  if lane.free then
    return {kind = 'granted', seq = seq}
  end
  if fair_queue_length(lane) == 0 and capacity_may_look(lane) then
    return {kind = 'granted', seq = seq}
  end
  local light = capacity_is_light(lane, entry)
  if fair_queue_length(lane) == 0 or (light and fair_queue_flow(lane, fair_queue_flow_id(entry)).calls == 0) then
    local reserve = light and {0, 0} or capacity_light_reserve(lane)
    local buckets_at = capacity_buckets_allow_at(lane, capacity_refill_seconds(lane, entry.tokens), entry, reserve)
    if buckets_at <= lane.now and capacity_window_allows_at(lane) <= lane.now then
      return {kind = 'granted', seq = seq}
    end
  end
  local waiter = fair_queue_length(lane) > 0 and fair_queue_entry(lane, entry.member)
  local has_position = waiter or entry.seq
  seq = waiter and waiter.seq or seq
  local calls, tokens = fair_queue_work_ahead(lane, entry, has_position and seq, waiter)
  local eta = capacity_eta(lane, entry, calls, tokens)
  if fair_queue_length(lane) >= lane.config.longest and not has_position then
    return {kind = 'refused', eta = eta, full = true}
  end
  if lane.now + eta > entry.deadline then
    return {kind = 'refused', eta = eta, full = false}
  end
  return {kind = 'queued', seq = seq, eta = eta, ahead = math.floor(calls), waits = waiter and true or false}
end

-- The functions below write.

local function capacity_consume(lane, entry)
  if lane.free then
    return
  end
  capacity_refresh(lane)
  local state, costs = lane.state, capacity_refill_seconds(lane, entry.tokens)
  if capacity_may_look(lane) then
    state.look_at = lane.now + LOOK_SECONDS
  end
  for kind = 1, 2 do
    state.full_at[kind] = math.max(state.full_at[kind], lane.now) + costs[kind]
    state.kept[kind] = math.max(0, math.min(state.kept[kind], capacity_free_seconds(lane, kind)))
  end
  local cost = math.max(costs[1], costs[2])
  state.pace_at = math.max(state.pace_at, lane.now) + cost
  fair_queue_charge(lane, entry, cost)
  if state.out == 0 then
    state.news = lane.now
  end
  state.out = state.out + 1
  state.out_tokens = state.out_tokens + entry.tokens
end

local function capacity_enqueue(lane, entry, verdict)
  capacity_refresh(lane)
  fair_queue_push(lane, entry, verdict.seq)
  redis.call('SADD', lane.prefix .. ':lanes' .. LANE_VERSION, lane.name)
end

local function capacity_process_of(member)
  return string.match(member, '^[^:]*')
end

local function capacity_remove_process(lane, process)
  for _, member in ipairs(redis.call('HKEYS', lane.waiting)) do
    if capacity_process_of(member) == process then
      fair_queue_remove(lane, member)
    end
  end
end

local function capacity_publish_grants(lane, grants)
  for process, granted in pairs(grants) do
    table.insert(granted, 1, lane.name)
    redis.call('PUBLISH', name_of_lane(lane.prefix, 'lane_grants', process), cmsgpack.pack(granted))
  end
end

local function capacity_dispatch(lane)
  local count, again, grants, alive = 0, -1, {}, {}
  capacity_refresh(lane)
  local entry = fair_queue_peek(lane)
  while entry and count < MAX_GRANTS do
    local process = capacity_process_of(entry.member)
    if alive[process] == nil then
      alive[process] = redis.call('EXISTS', name_of(lane.prefix, 'alive', process)) == 1
    end
    local wait = capacity_seconds_until_grant(lane, entry)
    if not alive[process] then
      capacity_remove_process(lane, process)
    elseif entry.deadline < lane.now then
      fair_queue_remove(lane, entry.member)
    elseif wait > 0 then
      again = math.min(wait, RECHECK_SECONDS)
      break
    else
      fair_queue_remove(lane, entry.member)
      capacity_consume(lane, entry)
      grants[process] = grants[process] or {}
      table.insert(grants[process], {entry.member, entry.seq, entry.tokens})
      count = count + 1
    end
    entry = fair_queue_peek(lane)
  end
  if again < 0 and entry then
    again = 0
  end
  capacity_publish_grants(lane, grants)
  return count, again
end

local function capacity_give_back(lane, tokens)
  if lane.free then
    return
  end
  local costs = capacity_refill_seconds(lane, tokens)
  for kind = 1, 2 do
    lane.state.full_at[kind] = lane.state.full_at[kind] - costs[kind]
  end
  lane.state.pace_at = lane.state.pace_at - math.max(costs[1], costs[2])
  capacity_mark_answered(lane.state, 1)
  lane.dirty = true
end

-- End the wait that the upstream asked for.
local function capacity_reopen(lane)
  local state, now = lane.state, lane.now
  state.look_at, state.strikes = 0, 0
  state.not_before, state.pace_at = math.min(state.not_before, now), math.min(state.pace_at, now)
  for kind = 1, 2 do state.full_at[kind] = math.min(state.full_at[kind], now) end
  lane.dirty = true
end
