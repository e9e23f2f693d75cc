-- fair_queue: which waiting call of one lane goes next (start-time fair queueing, SFQ).
--
-- Include this after names.lua and before capacity.lua. The rules and their arithmetic are those of tidegate/queue/fair_queue.py, which
-- explains them; tests/queue/test_store.py runs both through the same steps and compares the results. `lane` is the
-- table that capacity_open returns. Its flows are read once and written by fair_queue_close.
--   flow   {calls=, tokens= (of the calls that wait), start_tag=, usage_until=, weight=}; its id is '<project>/<weight>'
--   entry  {member=, seq=, tokens=, flow=, weight=, deadline=, since=}
-- The lane's state carries four fields of the queue under short names, which are part of the stored format:
--   clock  the virtual time     latest  the largest start tag     seq  the next sequence number
--   tokens the tokens of all waiting calls
local MAX_LEAD, USAGE_SHARE, MAX_USAGE_SECONDS = 5, 0.1, 120

-- Return the seconds of refill that these calls and tokens take from the buckets of requests and tokens.
local function capacity_costs(lane, calls, tokens)
  local requests, volume = lane.limits[1], lane.limits[2]
  return {
    requests > 0 and calls * 60 / requests or 0,
    volume > 0 and tokens * 60 / volume or 0,
  }
end

-- Return the service time that SFQ charges: seconds, or the number of calls where no limit is known.
local function fair_queue_service_time(lane, calls, tokens)
  local costs = capacity_costs(lane, calls, tokens)
  local most = math.max(costs[1], costs[2])
  return most > 0 and most or calls
end

local function fair_queue_number(n)
  return string.format('%.17g', n)
end

local function fair_queue_flow_id(entry)
  return entry.flow .. '/' .. entry.weight
end

local function fair_queue_members_key(lane, flow_id)
  return name_of_lane(lane.prefix, 'lane_line', lane.name) .. ':' .. name_escape(flow_id)
end

local function fair_queue_length(lane)
  if lane.length < 0 then
    lane.length = redis.call('HLEN', lane.waiting)
  end
  return lane.length
end

local function fair_queue_decode_flow(lane, flow_id, packed)
  local fields = packed and cmsgpack.unpack(packed) or {0, 0, 0, 0}
  lane.flows[flow_id] = {
    calls = fields[1], tokens = fields[2], start_tag = fields[3], usage_until = fields[4],
    weight = tonumber(string.match(flow_id, '%d+$')),
  }
  return lane.flows[flow_id]
end

local function fair_queue_flow(lane, flow_id)
  local packed = not lane.flows[flow_id] and not lane.read and redis.call('HGET', lane.flows_key, flow_id)
  return lane.flows[flow_id] or fair_queue_decode_flow(lane, flow_id, packed)
end

local function fair_queue_all_flows(lane)
  if not lane.read then
    local all = redis.call('HGETALL', lane.flows_key)
    for i = 1, #all, 2 do
      if not lane.flows[all[i]] then
        fair_queue_decode_flow(lane, all[i], all[i + 1])
      end
    end
    lane.read = true
  end
  return lane.flows
end

local function fair_queue_change_flow(lane, flow_id)
  lane.changed[flow_id], lane.dirty = true, true
  return fair_queue_flow(lane, flow_id)
end

-- `ttl`: seconds for which the flows are kept if no call waits.
local function fair_queue_close(lane, ttl)
  for flow_id in pairs(lane.changed) do
    local flow = lane.flows[flow_id]
    if flow then
      local packed = cmsgpack.pack({flow.calls, flow.tokens, flow.start_tag, flow.usage_until})
      redis.call('HSET', lane.flows_key, flow_id, packed)
    else
      redis.call('HDEL', lane.flows_key, flow_id)
    end
  end
  if next(lane.changed) then
    redis.call('EXPIRE', lane.flows_key, fair_queue_length(lane) > 0 and 86400 or ttl)
  end
end

-- The functions below only read.

local function fair_queue_usage_seconds(lane, flow)
  return math.max(0, math.min(flow.usage_until - lane.now, MAX_USAGE_SECONDS))
end

local function fair_queue_start_tag(lane, flow)
  return flow.calls > 0 and flow.start_tag or math.max(flow.start_tag, lane.state.clock)
end

local function fair_queue_max_lead(lane)
  return MAX_LEAD * fair_queue_service_time(lane, 1, lane.state.tokens / math.max(1, fair_queue_length(lane)))
end

local function fair_queue_weighted_demand(lane, flow, calls, tokens)
  local usage = fair_queue_usage_seconds(lane, flow) * USAGE_SHARE
  return (usage + fair_queue_service_time(lane, calls, tokens)) / flow.weight
end

local function fair_queue_forget_idle(lane)
  for flow_id, flow in pairs(fair_queue_all_flows(lane)) do
    if flow.calls == 0 and flow.start_tag <= lane.state.clock and flow.usage_until <= lane.now then
      lane.flows[flow_id], lane.changed[flow_id] = nil, true
    end
  end
end

-- Return the id of the flow that goes next, or nil where no call waits.
local function fair_queue_next_flow_id(lane)
  fair_queue_forget_idle(lane)
  local min_tag = math.huge
  for _, flow in pairs(lane.flows) do
    if flow.calls > 0 then min_tag = math.min(min_tag, flow.start_tag) end
  end
  if min_tag == math.huge then return nil end
  lane.state.clock = math.max(lane.state.clock, min_tag)
  local reach, flow_id, lowest_tag, lowest_demand = min_tag + fair_queue_max_lead(lane), nil, nil, nil
  for name, flow in pairs(lane.flows) do
    if flow.calls > 0 and flow.start_tag <= reach then
      local demand = fair_queue_weighted_demand(lane, flow, flow.calls, flow.tokens)
      local tag = flow.start_tag
      if not flow_id or demand < lowest_demand
        or (demand == lowest_demand and (tag < lowest_tag or (tag == lowest_tag and name < flow_id))) then
        flow_id, lowest_tag, lowest_demand = name, flow.start_tag, demand
      end
    end
  end
  return flow_id
end

local function fair_queue_entry(lane, member)
  local packed = redis.call('HGET', lane.waiting, member)
  if not packed then return nil end
  local fields = cmsgpack.unpack(packed)
  return {
    member = member, seq = fields[1], tokens = fields[2], flow = fields[3], weight = fields[4], deadline = fields[5],
    since = fields[6],
  }
end

-- Return the entry that goes next, or nil where no call waits. An eviction may have removed only one of the two keys of
-- an entry: such a rest is deleted and skipped.
local function fair_queue_peek(lane)
  local flow_id = fair_queue_length(lane) > 0 and fair_queue_next_flow_id(lane)
  while flow_id do
    local at = lane.skipped[flow_id] or 0
    local member = redis.call('ZRANGE', fair_queue_members_key(lane, flow_id), at, at)[1]
    local entry = member and fair_queue_entry(lane, member)
    if entry then return entry end
    if member then
      redis.call('ZREM', fair_queue_members_key(lane, flow_id), member)
    else
      fair_queue_change_flow(lane, flow_id).calls = 0
      flow_id = fair_queue_next_flow_id(lane)
    end
  end
end

-- Move on in memory as if this entry had been granted, so that fair_queue_peek returns the entry after it. Only for
-- scripts that write nothing.
local function fair_queue_skip(lane, entry)
  local flow_id = fair_queue_flow_id(entry)
  local flow = lane.flows[flow_id]
  lane.skipped[flow_id] = (lane.skipped[flow_id] or 0) + 1
  lane.length, lane.state.tokens = lane.length - 1, lane.state.tokens - entry.tokens
  flow.calls, flow.tokens = flow.calls - 1, flow.tokens - entry.tokens
  flow.start_tag = flow.start_tag + fair_queue_service_time(lane, 1, entry.tokens) / flow.weight
end

local function fair_queue_count_before(lane, flow_id, seq, member)
  if not seq then return fair_queue_flow(lane, flow_id).calls end
  local before = redis.call('ZCOUNT', fair_queue_members_key(lane, flow_id), '-inf', '(' .. seq)
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', fair_queue_members_key(lane, flow_id), seq, seq)) do
    if other < member then before = before + 1 end
  end
  return before
end

-- Estimate the calls and tokens that go before this entry. `waits`: the entry is in the queue already.
local function fair_queue_work_ahead(lane, entry, seq, waits)
  if fair_queue_length(lane) == 0 then return 0, 0 end
  local flow_id = fair_queue_flow_id(entry)
  local mine = fair_queue_flow(lane, flow_id)
  local calls = fair_queue_count_before(lane, flow_id, seq, entry.member)
  local tokens = mine.tokens * calls / math.max(1, mine.calls)
  local start = fair_queue_start_tag(lane, mine) + fair_queue_service_time(lane, calls, tokens) / mine.weight
  local model_calls, own_tokens = waits and 0 or 1, waits and 0 or entry.tokens
  local demand = fair_queue_weighted_demand(lane, mine, mine.calls + model_calls, mine.tokens + own_tokens)
  local lead = fair_queue_max_lead(lane)
  for name, flow in pairs(fair_queue_all_flows(lane)) do
    if flow.calls > 0 and name ~= flow_id then
      local goes_first = fair_queue_weighted_demand(lane, flow, flow.calls, flow.tokens) < demand
      local last_tag = start + (goes_first and lead or -lead)
      local part = (last_tag - flow.start_tag) * flow.weight / fair_queue_service_time(lane, flow.calls, flow.tokens)
      part = math.max(0, math.min(part, 1))
      calls, tokens = calls + part * flow.calls, tokens + part * flow.tokens
    end
  end
  return calls, tokens
end

-- The functions below write.

local function fair_queue_charge(lane, entry, seconds)
  local flow = fair_queue_change_flow(lane, fair_queue_flow_id(entry))
  local service_time = fair_queue_service_time(lane, 1, entry.tokens)
  flow.start_tag = math.max(flow.start_tag, lane.state.clock) + service_time / flow.weight
  local usage = fair_queue_usage_seconds(lane, flow) + seconds / USAGE_SHARE
  flow.usage_until = lane.now + math.min(usage, MAX_USAGE_SECONDS)
  lane.state.latest = math.max(lane.state.latest, flow.start_tag)
  lane.state.seq = lane.state.seq + 1
end

local function fair_queue_push(lane, entry, seq)
  local state, flow_id, length = lane.state, fair_queue_flow_id(entry), fair_queue_length(lane)
  if length == 0 then
    state.clock = math.max(state.clock, state.latest)
  end
  local flow = fair_queue_change_flow(lane, flow_id)
  local start = fair_queue_start_tag(lane, flow)
  if entry.seq then
    local service_time = fair_queue_service_time(lane, 1, entry.tokens)
    start = math.min(start, math.max(start - service_time / flow.weight, state.clock - MAX_LEAD * service_time))
  end
  flow.start_tag, flow.calls, flow.tokens = start, flow.calls + 1, flow.tokens + entry.tokens
  redis.call('ZADD', fair_queue_members_key(lane, flow_id), seq, entry.member)
  redis.call('HSET', lane.waiting, entry.member, cmsgpack.pack({
    seq, entry.tokens, entry.flow, entry.weight, entry.deadline, lane.now,
  }))
  redis.call('EXPIRE', fair_queue_members_key(lane, flow_id), 86400)
  redis.call('EXPIRE', lane.waiting, 86400)
  lane.length = length + 1
  state.tokens = state.tokens + entry.tokens
  state.seq = math.max(state.seq, seq) + 1
end

local function fair_queue_remove(lane, member)
  local entry = fair_queue_entry(lane, member)
  if not entry then return false end
  local flow_id, length = fair_queue_flow_id(entry), fair_queue_length(lane)
  local flow = fair_queue_change_flow(lane, flow_id)
  redis.call('HDEL', lane.waiting, member)
  redis.call('ZREM', fair_queue_members_key(lane, flow_id), member)
  flow.calls, flow.tokens = math.max(0, flow.calls - 1), flow.tokens - entry.tokens
  lane.length = length - 1
  lane.state.tokens = lane.state.tokens - entry.tokens
  return true
end
