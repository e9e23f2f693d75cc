-- lane: the upstream's capacity for one credential and model, and the queue in front of it.
--
-- To be included, after order, which tells who goes next. The rules, their names and their arithmetic are those of
-- tidegate/queue/capacity.py, where they are explained; a test drives both with the same steps and wants the same answers.
--
--   local l = lane_open(prefix, name, now, terms)      prefix: '{tidegate}', terms: {rpm=, tpm=, longest=}; the state
--                                                      may be given, where it was read at `lane_key` (false: none)
--   local verdict = lane_ask(l, ticket)                reads only; ticket: {member=, tokens=, flow=, weight=, deadline=,
--                                                      seq=}, the last nil but where it comes again
--     {kind='granted', seq=} | {kind='queued', seq=, eta=, ahead=} | {kind='refused', eta=, full=}
--   lane_take(l, ticket)                               after 'granted'
--   lane_queue(l, ticket, verdict)                     after 'queued'
--   local granted, again = lane_dispatch(l)            publishes; again: seconds, -1 where nobody waits
--   lane_close(l)                                      writes the state, if it changed
--
-- Keys, where <lane> is {prefix}:lane:<name>, all forgotten after a day without use:
--   <lane>           string, MessagePack: the State of lane.py
--   <lane>:line:<flow>/<weight>  sorted set: who of a flow waits, by seq
--   <lane>:waiting   hash: member to MessagePack {seq, tokens, flow, weight, deadline, since}
--   <lane>:flows     hash: '<flow>/<weight>' to MessagePack {calls and tokens that wait, tag, used}
--   {prefix}:lanes            set: the names of lanes that had a queue
--   {prefix}:alive:<process>  exists while the process lives
--   {prefix}:lanes:<process>  channel: MessagePack {name, {member, seq, tokens}…}
local LANE_SPAN, LANE_MARGIN, LANE_PACE, LANE_RESERVE = 60, 0.1, 0.25, 6
local LANE_START, LANE_LEAST, LANE_MOST, LANE_FREE_AT = 3, 1, 10000, 64
local LANE_QUIET, LANE_BACKOFF, LANE_BATCH, LANE_AGAIN, LANE_DAY, LANE_STEP = 60, 32, 200, 1, 86400, 5
local LANE_FRESH, LANE_PROOF, LANE_DOUBT = 1, 2, 0.1

-- Where the clock was set back, all moments go back with it: else nobody would go until it caught up.
local function lane_set_back(state, now)
  local back = state.news - now
  if back > LANE_STEP then
    for kind = 1, 2 do state.full_at[kind] = state.full_at[kind] - back end
    state.pace_at, state.not_before, state.cut_at = state.pace_at - back, state.not_before - back, state.cut_at - back
    state.least_since, state.news = {0, 0}, now
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
    limits = {0, 0}, full_at = {0, 0}, kept = {0, 0}, pace_at = 0, not_before = 0, ramp = LANE_START, out = 0,
    out_tokens = 0, least = {0, 0}, least_since = {0, 0}, news = 0, cut_at = 0, strikes = 0, free = false, wary = false,
    clock = 0, latest = 0, seq = 0, tokens = 0,
  }
  lane_set_back(state, now)
  local limits = {
    terms.rpm > 0 and terms.rpm or state.limits[1],
    terms.tpm > 0 and terms.tpm or state.limits[2],
  }
  local l = {
    prefix = prefix, name = name, key = key, now = now, terms = terms, s = state, limits = limits, dirty = false,
    waiting = key .. ':waiting', flows_key = key .. ':flows', flows = {}, changed = {}, passed = {},
    read = false, length = -1,
  }
  l.free = state.free and terms.rpm == 0 and terms.tpm == 0
  return l
end

local function lane_close(l)
  order_close(l)
  if l.dirty then
    redis.call('SET', l.key, cmsgpack.pack(l.s), 'EX', LANE_DAY)
  end
end

-- What follows decides.

local function lane_taken(l, tokens)
  local costs = lane_costs(l, 1, tokens)
  return {math.min(LANE_SPAN, costs[1]), math.min(LANE_SPAN, costs[2])}
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
      if order_length(l) == 0 then
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

local function lane_come_back(state, answered)
  local back = math.min(answered, state.out)
  if back > 0 then
    state.out_tokens = state.out_tokens - state.out_tokens * back / state.out
  end
  state.out = state.out - back
end

local function lane_freshen(l)
  l.s.kept = lane_kept(l)
  lane_come_back(l.s, l.s.out - lane_unanswered(l))
  l.dirty = true
end

local function lane_fits_at(l, total, ticket, kept)
  local own = lane_taken(l, ticket.tokens)
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
  local fits = lane_fits_at(l, lane_taken(l, ticket.tokens), ticket, lane_kept(l))
  return math.max(fits, lane_open_at(l)) - l.now
end

local function lane_is_light(l, ticket)
  local costs = lane_taken(l, ticket.tokens)
  local used = order_used_for(l, order_flow(l, order_stream(ticket)))
  return used + math.max(costs[1], costs[2]) / ORDER_SHARE <= LANE_SPAN
end

local function lane_eta(l, ticket, calls, tokens)
  local own, ahead = lane_taken(l, ticket.tokens), lane_costs(l, calls, tokens)
  local at = lane_fits_at(l, {ahead[1] + own[1], ahead[2] + own[2]}, ticket, lane_kept(l))
  if not lane_known(l) then
    at = at + math.log(1 + calls / l.s.ramp) / math.log(2)
  end
  return at - l.now
end

local function lane_ask(l, ticket)
  local seq = ticket.seq or l.s.seq
  if l.free then
    return {kind = 'granted', seq = seq}
  end
  local light = lane_is_light(l, ticket)
  if order_length(l) == 0 or (light and order_flow(l, order_stream(ticket)).calls == 0) then
    local kept = light and {0, 0} or lane_kept(l)
    local fits_at = lane_fits_at(l, lane_taken(l, ticket.tokens), ticket, kept)
    if fits_at <= l.now and lane_open_at(l) <= l.now then
      return {kind = 'granted', seq = seq}
    end
  end
  local waiter = order_length(l) > 0 and order_waiter(l, ticket.member)
  local settled = waiter or ticket.seq
  seq = waiter and waiter.seq or seq
  local calls, tokens = order_ahead(l, ticket, settled and seq, waiter)
  local eta = lane_eta(l, ticket, calls, tokens)
  if order_length(l) >= l.terms.longest and not settled then
    return {kind = 'refused', eta = eta, full = true}
  end
  if l.now + eta > ticket.deadline then
    return {kind = 'refused', eta = eta, full = false}
  end
  return {kind = 'queued', seq = seq, eta = eta, ahead = math.floor(calls), waits = waiter and true or false}
end

-- What follows changes.

local function lane_take(l, ticket)
  if l.free then
    return
  end
  lane_freshen(l)
  local s, costs = l.s, lane_taken(l, ticket.tokens)
  for kind = 1, 2 do
    s.full_at[kind] = math.max(s.full_at[kind], l.now) + costs[kind]
    s.kept[kind] = math.max(0, math.min(s.kept[kind], lane_slack(l, kind)))
  end
  local cost = math.max(costs[1], costs[2])
  s.pace_at = math.max(s.pace_at, l.now) + cost
  order_charge(l, ticket, cost)
  if s.out == 0 then
    s.news = l.now
  end
  s.out = s.out + 1
  s.out_tokens = s.out_tokens + ticket.tokens
end

local function lane_queue(l, ticket, place)
  lane_freshen(l)
  order_join(l, ticket, place.seq)
  redis.call('SADD', l.prefix .. ':lanes', l.name)
end

local function lane_process(member)
  return string.match(member, '^[^:]*')
end

local function lane_bury(l, process)
  for _, member in ipairs(redis.call('HKEYS', l.waiting)) do
    if lane_process(member) == process then
      order_leave(l, member)
    end
  end
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
  local ticket = order_next(l)
  while ticket and count < LANE_BATCH do
    local process = lane_process(ticket.member)
    if alive[process] == nil then
      alive[process] = redis.call('EXISTS', l.prefix .. ':alive:' .. process) == 1
    end
    local wait = lane_wait_of(l, ticket)
    if not alive[process] then
      lane_bury(l, process)
    elseif ticket.deadline < l.now then
      order_leave(l, ticket.member)
    elseif wait > 0 then
      again = math.min(wait, LANE_AGAIN)
      break
    else
      order_leave(l, ticket.member)
      lane_take(l, ticket)
      grants[process] = grants[process] or {}
      table.insert(grants[process], {ticket.member, ticket.seq, ticket.tokens})
      count = count + 1
    end
    ticket = order_next(l)
  end
  if again < 0 and ticket then
    again = 0
  end
  lane_tell(l, grants)
  return count, again
end

local function lane_give_back(l, tokens)
  if l.free then
    return
  end
  local costs = lane_taken(l, tokens)
  for kind = 1, 2 do
    l.s.full_at[kind] = l.s.full_at[kind] - costs[kind]
  end
  l.s.pace_at = l.s.pace_at - math.max(costs[1], costs[2])
  lane_come_back(l.s, 1)
  l.dirty = true
end
