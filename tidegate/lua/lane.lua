-- lane: the upstream's capacity for one credential and model, and the queue in front of it.
--
-- To be included. The rules, their names and their arithmetic are those of tidegate/admission/lane.py, where they are
-- explained; a test drives both with the same steps and wants the same answers.
--
--   local l = lane_open(prefix, name, now, terms)      prefix: '{tidegate}', terms: {rpm=, tpm=, longest=}; the state
--                                                      may be given, where it was read at `lane_key` (false: none)
--   local verdict = lane_ask(l, ticket)                reads only; ticket: {member=, tokens=, flow=, weight=, deadline=,
--                                                      tag=, seq=}, the last two nil but where it comes again
--     {kind='granted', tag=, seq=} | {kind='queued', tag=, seq=, eta=, ahead=} | {kind='refused', eta=, full=}
--   lane_take(l, ticket)                               after 'granted'
--   lane_queue(l, ticket, verdict)                     after 'queued'
--   local granted, again = lane_dispatch(l)            publishes; again: seconds, -1 where nobody waits
--   lane_close(l)                                      writes the state, if it changed
--
-- Keys, where <lane> is {prefix}:lane:<name>, all forgotten after a day without use:
--   <lane>           string, MessagePack: the State of lane.py
--   <lane>:order     sorted set: '<seq, 15 digits> <member>' by tag
--   <lane>:waiting   hash: member to MessagePack {tag, seq, tokens, flow, weight, deadline, since}
--   <lane>:flows     hash: '<flow>/<weight>' to MessagePack {how many wait, last tag}
--   <lane>:used      hash: '<flow>/<weight>' to the moment when its share has caught up
--   {prefix}:lanes            set: the names of lanes that had a queue
--   {prefix}:alive:<process>  exists while the process lives
--   {prefix}:lanes:<process>  channel: MessagePack {name, {member, tag, seq, tokens}…}
local LANE_SPAN, LANE_MARGIN, LANE_PACE, LANE_RESERVE, LANE_SHARE = 60, 0.1, 0.25, 6, 0.1
local LANE_START, LANE_LEAST, LANE_MOST, LANE_FREE_AT = 3, 1, 10000, 64
local LANE_QUIET, LANE_BACKOFF, LANE_BATCH, LANE_AGAIN, LANE_DAY, LANE_STEP = 60, 32, 200, 1, 86400, 5

-- Where the clock was set back, all moments go back with it: else nobody would go until it caught up.
local function lane_set_back(state, now)
  local back = state.news - now
  if back > LANE_STEP then
    for kind = 1, 2 do state.full_at[kind] = state.full_at[kind] - back end
    state.pace_at, state.not_before, state.cut_at = state.pace_at - back, state.not_before - back, state.cut_at - back
    state.news = now
  end
end

local function lane_key(prefix, name)
  return prefix .. ':lane:' .. name
end

local function lane_open(prefix, name, now, terms, packed)
  local key = lane_key(prefix, name)
  if packed == nil then
    packed = redis.call('GET', key)
  end
  local state = packed and cmsgpack.unpack(packed) or {
    limits = {0, 0}, full_at = {0, 0}, kept = {0, 0}, pace_at = 0, not_before = 0, ramp = LANE_START, out = 0, news = 0,
    cut_at = 0, strikes = 0, free = false, wary = false, clock = 0, seq = 0, tokens = 0,
  }
  lane_set_back(state, now)
  local limits = {
    terms.rpm > 0 and terms.rpm or state.limits[1],
    terms.tpm > 0 and terms.tpm or state.limits[2],
  }
  local l = {
    prefix = prefix, name = name, key = key, now = now, terms = terms, s = state, limits = limits, dirty = false,
    order = key .. ':order', waiting = key .. ':waiting', flows = key .. ':flows', used = key .. ':used',
  }
  l.free = state.free and terms.rpm == 0 and terms.tpm == 0
  l.length = l.free and -1 or redis.call('ZCARD', l.order)
  return l
end

local function lane_close(l)
  if l.dirty then
    redis.call('SET', l.key, cmsgpack.pack(l.s), 'EX', LANE_DAY)
  end
end

local function lane_number(n)
  return string.format('%.17g', n)
end

local function lane_stream(ticket)
  return ticket.flow .. '/' .. ticket.weight
end

local function lane_element(seq, member)
  return string.format('%015d %s', seq, member)
end

-- What follows decides.

local function lane_length(l)
  if l.length < 0 then
    l.length = redis.call('ZCARD', l.order)
  end
  return l.length
end

local function lane_costs(l, calls, tokens)
  local requests, volume = l.limits[1], l.limits[2]
  return {
    requests > 0 and calls * LANE_SPAN / requests or 0,
    volume > 0 and tokens * LANE_SPAN / volume or 0,
  }
end

local function lane_slack(l, kind)
  return LANE_SPAN - LANE_MARGIN - math.max(0, l.s.full_at[kind] - l.now)
end

local function lane_kept(l)
  local kept = {0, 0}
  for kind = 1, 2 do
    if l.limits[kind] > 0 then
      local slack = math.max(0, lane_slack(l, kind))
      local wanted = l.s.kept[kind]
      if lane_length(l) == 0 then
        wanted = math.max(wanted, slack / 2)
      end
      kept[kind] = math.min(LANE_RESERVE, wanted, slack)
    end
  end
  return kept
end

local function lane_unanswered(l)
  return l.now - l.s.news > LANE_QUIET and 0 or l.s.out
end

local function lane_freshen(l)
  l.s.kept = lane_kept(l)
  l.s.out = lane_unanswered(l)
  l.dirty = true
end

local function lane_fits_at(l, total, ticket, kept)
  local own = lane_costs(l, 1, ticket.tokens)
  local at = math.max(l.now, l.s.not_before)
  for kind = 1, 2 do
    if l.limits[kind] > 0 then
      local room = math.max(LANE_SPAN - LANE_MARGIN - kept[kind], own[kind])
      at = math.max(at, math.max(l.s.full_at[kind], l.now) + total[kind] - room)
    end
  end
  return at
end

local function lane_known(l)
  return l.limits[1] > 0 or l.limits[2] > 0
end

local function lane_open_at(l)
  if l.free or lane_unanswered(l) + 1 <= l.s.ramp then
    return l.now
  end
  return lane_known(l) and math.max(l.now, l.s.pace_at - LANE_PACE) or math.huge
end

local function lane_wait_of(l, ticket)
  local fits = lane_fits_at(l, lane_costs(l, 1, ticket.tokens), ticket, lane_kept(l))
  return math.max(fits, lane_open_at(l)) - l.now
end

local function lane_flow(l, stream)
  local packed = redis.call('HGET', l.flows, stream)
  return packed and cmsgpack.unpack(packed)
end

local function lane_next_place(l, ticket, flow)
  local start = flow and math.max(l.s.clock, flow[2]) or l.s.clock
  return start + 1 / ticket.weight, l.s.seq
end

local function lane_is_light(l, ticket)
  local costs = lane_costs(l, 1, ticket.tokens)
  local used = math.max(tonumber(redis.call('HGET', l.used, lane_stream(ticket)) or 0), l.now)
  return used + math.max(costs[1], costs[2]) / LANE_SHARE - l.now <= LANE_SPAN
end

local function lane_is_head(l, tag, element)
  local head = redis.call('ZRANGE', l.order, 0, 0, 'WITHSCORES')
  local first = tonumber(head[2])
  return tag < first or (tag == first and element <= head[1])
end

local function lane_ahead(l, tag, element)
  local score = lane_number(tag)
  local ahead = redis.call('ZCOUNT', l.order, '-inf', '(' .. score)
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', l.order, score, score)) do
    if other < element then
      ahead = ahead + 1
    end
  end
  return ahead
end

local function lane_eta(l, ticket, ahead)
  local length = lane_length(l)
  local tokens = length > 0 and l.s.tokens * ahead / length or 0
  local at = lane_fits_at(l, lane_costs(l, ahead + 1, tokens + ticket.tokens), ticket, lane_kept(l))
  if not lane_known(l) then
    at = at + math.log(1 + ahead / l.s.ramp) / math.log(2)
  end
  return at - l.now
end

local function lane_ask(l, ticket)
  if l.free then
    return {kind = 'granted', tag = ticket.tag or l.s.clock, seq = ticket.seq or l.s.seq}
  end
  local length = lane_length(l)
  local waiter = length > 0 and redis.call('HGET', l.waiting, ticket.member)
  local flow = length > 0 and lane_flow(l, lane_stream(ticket))
  local tag, seq = ticket.tag, ticket.seq
  if waiter then
    local known = cmsgpack.unpack(waiter)
    tag, seq = known[1], known[2]
  end
  local settled = tag ~= nil
  if not settled then
    tag, seq = lane_next_place(l, ticket, flow)
  end
  local element = lane_element(seq, ticket.member)
  local light = lane_is_light(l, ticket)
  if length == 0 or (light and not flow) or lane_is_head(l, tag, element) then
    local kept = light and {0, 0} or lane_kept(l)
    local fits_at = lane_fits_at(l, lane_costs(l, 1, ticket.tokens), ticket, kept)
    if fits_at <= l.now and lane_open_at(l) <= l.now then
      return {kind = 'granted', tag = settled and tag or l.s.clock, seq = settled and seq or l.s.seq}
    end
  end
  local ahead = length > 0 and lane_ahead(l, tag, element) or 0
  local eta = lane_eta(l, ticket, ahead)
  if length >= l.terms.longest and not settled then
    return {kind = 'refused', eta = eta, full = true}
  end
  if l.now + eta > ticket.deadline then
    return {kind = 'refused', eta = eta, full = false}
  end
  return {kind = 'queued', tag = tag, seq = seq, eta = eta, ahead = ahead, waits = waiter and true or false}
end

-- What follows changes.

local function lane_take(l, ticket)
  if l.free then
    return
  end
  lane_freshen(l)
  local s, costs = l.s, lane_costs(l, 1, ticket.tokens)
  for kind = 1, 2 do
    s.full_at[kind] = math.max(s.full_at[kind], l.now) + costs[kind]
    s.kept[kind] = math.max(0, math.min(s.kept[kind], lane_slack(l, kind)))
  end
  local cost = math.max(costs[1], costs[2])
  s.pace_at = math.max(s.pace_at, l.now) + cost
  local stream = lane_stream(ticket)
  local used = math.max(tonumber(redis.call('HGET', l.used, stream) or 0), l.now) + cost / LANE_SHARE
  redis.call('HSET', l.used, stream, lane_number(math.min(used, l.now + 2 * LANE_SPAN)))
  redis.call('EXPIRE', l.used, 3 * LANE_SPAN)
  if s.out == 0 then
    s.news = l.now
  end
  s.out = s.out + 1
  s.seq = s.seq + 1
end

local function lane_queue(l, ticket, place)
  lane_freshen(l)
  local stream = lane_stream(ticket)
  local flow = lane_flow(l, stream) or {0, place.tag}
  redis.call('HSET', l.flows, stream, cmsgpack.pack({flow[1] + 1, math.max(flow[2], place.tag)}))
  redis.call('ZADD', l.order, lane_number(place.tag), lane_element(place.seq, ticket.member))
  redis.call('HSET', l.waiting, ticket.member, cmsgpack.pack({
    place.tag, place.seq, ticket.tokens, ticket.flow, ticket.weight, ticket.deadline, l.now,
  }))
  for _, key in ipairs({l.flows, l.order, l.waiting}) do
    redis.call('EXPIRE', key, LANE_DAY)
  end
  redis.call('SADD', l.prefix .. ':lanes', l.name)
  l.length = lane_length(l) + 1
  l.s.tokens = l.s.tokens + ticket.tokens
  l.s.seq = l.s.seq + 1
end

local function lane_forget(l, member)
  local packed = redis.call('HGET', l.waiting, member)
  if not packed then
    return false
  end
  local waiter = cmsgpack.unpack(packed)
  local stream = lane_stream({flow = waiter[4], weight = waiter[5]})
  redis.call('HDEL', l.waiting, member)
  redis.call('ZREM', l.order, lane_element(waiter[2], member))
  local flow = lane_flow(l, stream)
  if flow[1] <= 1 then
    redis.call('HDEL', l.flows, stream)
  else
    redis.call('HSET', l.flows, stream, cmsgpack.pack({flow[1] - 1, flow[2]}))
  end
  l.length = lane_length(l) - 1
  l.s.tokens = l.s.tokens - waiter[3]
  l.dirty = true
  return true
end

local function lane_process(member)
  return string.match(member, '^[^:]*')
end

local function lane_bury(l, process)
  for _, member in ipairs(redis.call('HKEYS', l.waiting)) do
    if lane_process(member) == process then
      lane_forget(l, member)
    end
  end
end

local function lane_waiter(l, member)
  local known = cmsgpack.unpack(redis.call('HGET', l.waiting, member))
  return {
    member = member, tag = known[1], seq = known[2], tokens = known[3], flow = known[4], weight = known[5],
    deadline = known[6], since = known[7],
  }
end

local function lane_tell(l, grants)
  for process, granted in pairs(grants) do
    table.insert(granted, 1, l.name)
    redis.call('PUBLISH', l.prefix .. ':lanes:' .. process, cmsgpack.pack(granted))
  end
end

local function lane_dispatch(l)
  local count, again, grants, alive = 0, -1, {}, {}
  lane_freshen(l)
  while lane_length(l) > 0 and count < LANE_BATCH do
    local ticket = lane_waiter(l, string.sub(redis.call('ZRANGE', l.order, 0, 0)[1], 17))
    local process = lane_process(ticket.member)
    if alive[process] == nil then
      alive[process] = redis.call('EXISTS', l.prefix .. ':alive:' .. process) == 1
    end
    local wait = lane_wait_of(l, ticket)
    if not alive[process] then
      lane_bury(l, process)
    elseif ticket.deadline < l.now then
      lane_forget(l, ticket.member)
    elseif wait > 0 then
      again = math.min(wait, LANE_AGAIN)
      break
    else
      lane_forget(l, ticket.member)
      l.s.clock = math.max(l.s.clock, ticket.tag - 1 / ticket.weight)
      lane_take(l, ticket)
      grants[process] = grants[process] or {}
      table.insert(grants[process], {ticket.member, ticket.tag, ticket.seq, ticket.tokens})
      count = count + 1
    end
  end
  if again < 0 and lane_length(l) > 0 then
    again = 0
  end
  lane_tell(l, grants)
  return count, again
end

local function lane_give_back(l, tokens)
  if l.free then
    return
  end
  local costs = lane_costs(l, 1, tokens)
  for kind = 1, 2 do
    l.s.full_at[kind] = l.s.full_at[kind] - costs[kind]
  end
  l.s.pace_at = l.s.pace_at - math.max(costs[1], costs[2])
  l.s.out = math.max(0, l.s.out - 1)
  l.dirty = true
end
