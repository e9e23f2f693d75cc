-- order: who goes next of those who wait for one lane.
--
-- To be included before lane. The rules, their names and their arithmetic are those of tidegate/queue/fair_queue.py,
-- where they are explained. `l` is the open lane (lane.lua); its flows are read once, and written by order_close.
--   f   a flow: {calls=, tokens=, tag=, used=, weight=}, the first two of those who wait
local ORDER_LEAD, ORDER_SHARE, ORDER_LONGEST_USE = 5, 0.1, 120

-- What so many calls take of the lane's requests and tokens: seconds.
local function lane_costs(l, calls, tokens)
  local requests, volume = l.limits[1], l.limits[2]
  return {
    requests > 0 and calls * 60 / requests or 0,
    volume > 0 and tokens * 60 / volume or 0,
  }
end

local function order_work(l, calls, tokens)
  local costs = lane_costs(l, calls, tokens)
  local most = math.max(costs[1], costs[2])
  return most > 0 and most or calls
end

local function order_number(n)
  return string.format('%.17g', n)
end

local function order_stream(ticket)
  return ticket.flow .. '/' .. ticket.weight
end

local function order_line(l, stream)
  return l.key .. ':line:' .. stream
end

local function order_length(l)
  if l.length < 0 then
    l.length = redis.call('HLEN', l.waiting)
  end
  return l.length
end

local function order_read(l, stream, packed)
  local known = packed and cmsgpack.unpack(packed) or {0, 0, 0, 0}
  l.flows[stream] = {
    calls = known[1], tokens = known[2], tag = known[3], used = known[4],
    weight = tonumber(string.match(stream, '%d+$')),
  }
  return l.flows[stream]
end

local function order_flow(l, stream)
  return l.flows[stream] or order_read(l, stream, not l.read and redis.call('HGET', l.flows_key, stream))
end

local function order_all(l)
  if not l.read then
    local all = redis.call('HGETALL', l.flows_key)
    for i = 1, #all, 2 do
      if not l.flows[all[i]] then
        order_read(l, all[i], all[i + 1])
      end
    end
    l.read = true
  end
  return l.flows
end

local function order_change(l, stream)
  l.changed[stream], l.dirty = true, true
  return order_flow(l, stream)
end

local function order_close(l)
  for stream in pairs(l.changed) do
    local f = l.flows[stream]
    if f then
      redis.call('HSET', l.flows_key, stream, cmsgpack.pack({f.calls, f.tokens, f.tag, f.used}))
    else
      redis.call('HDEL', l.flows_key, stream)
    end
  end
  if next(l.changed) then
    redis.call('EXPIRE', l.flows_key, 86400)
  end
end

-- What follows decides.

local function order_used_for(l, f)
  return math.max(0, math.min(f.used - l.now, ORDER_LONGEST_USE))
end

local function order_start(l, f)
  return f.calls > 0 and f.tag or math.max(f.tag, l.s.clock)
end

local function order_lead(l)
  return ORDER_LEAD * order_work(l, 1, l.s.tokens / math.max(1, order_length(l)))
end

local function order_demand(l, f, calls, tokens)
  return (order_used_for(l, f) * ORDER_SHARE + order_work(l, calls, tokens)) / f.weight
end

local function order_forget_idle(l)
  for stream, f in pairs(order_all(l)) do
    if f.calls == 0 and f.tag <= l.s.clock and f.used <= l.now then
      l.flows[stream], l.changed[stream] = nil, true
    end
  end
end

-- The stream whose turn it is; nil where nobody waits.
local function order_next_stream(l)
  order_forget_idle(l)
  local behind = math.huge
  for _, f in pairs(l.flows) do
    if f.calls > 0 then behind = math.min(behind, f.tag) end
  end
  if behind == math.huge then return nil end
  l.s.clock = math.max(l.s.clock, behind)
  local reach, stream, first, least = behind + order_lead(l), nil, nil, nil
  for name, f in pairs(l.flows) do
    if f.calls > 0 and f.tag <= reach then
      local demand = order_demand(l, f, f.calls, f.tokens)
      if not stream or demand < least
        or (demand == least and (f.tag < first or (f.tag == first and name < stream))) then
        stream, first, least = name, f.tag, demand
      end
    end
  end
  return stream
end

local function order_waiter(l, member)
  local packed = redis.call('HGET', l.waiting, member)
  if not packed then return nil end
  local known = cmsgpack.unpack(packed)
  return {
    member = member, seq = known[1], tokens = known[2], flow = known[3], weight = known[4], deadline = known[5],
    since = known[6],
  }
end

-- The ticket of who goes next; nil where nobody waits. What an eviction has torn is passed over.
local function order_next(l)
  local stream = order_length(l) > 0 and order_next_stream(l)
  while stream do
    local at = l.passed[stream] or 0
    local member = redis.call('ZRANGE', order_line(l, stream), at, at)[1]
    local ticket = member and order_waiter(l, member)
    if ticket then return ticket end
    if member then
      redis.call('ZREM', order_line(l, stream), member)
    else
      order_change(l, stream).calls = 0
      stream = order_next_stream(l)
    end
  end
end

-- As if this ticket had had its turn: to tell who comes after it. For scripts that write nothing.
local function order_pass(l, ticket)
  local stream = order_stream(ticket)
  local f = l.flows[stream]
  l.passed[stream] = (l.passed[stream] or 0) + 1
  l.length, l.s.tokens = l.length - 1, l.s.tokens - ticket.tokens
  f.calls, f.tokens = f.calls - 1, f.tokens - ticket.tokens
  f.tag = f.tag + order_work(l, 1, ticket.tokens) / f.weight
end

local function order_before(l, stream, seq, member)
  if not seq then return order_flow(l, stream).calls end
  local before = redis.call('ZCOUNT', order_line(l, stream), '-inf', '(' .. seq)
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', order_line(l, stream), seq, seq)) do
    if other < member then before = before + 1 end
  end
  return before
end

-- Calls and tokens that will go before this ticket; `waits`: it is among those who wait.
local function order_ahead(l, ticket, seq, waits)
  if order_length(l) == 0 then return 0, 0 end
  local stream = order_stream(ticket)
  local mine = order_flow(l, stream)
  local calls = order_before(l, stream, seq, ticket.member)
  local tokens = mine.tokens * calls / math.max(1, mine.calls)
  local start = order_start(l, mine) + order_work(l, calls, tokens) / mine.weight
  local demand = order_demand(l, mine, mine.calls + (waits and 0 or 1), mine.tokens + (waits and 0 or ticket.tokens))
  local lead = order_lead(l)
  for name, f in pairs(order_all(l)) do
    if f.calls > 0 and name ~= stream then
      local until_ = start + (order_demand(l, f, f.calls, f.tokens) < demand and lead or -lead)
      local part = (until_ - f.tag) * f.weight / order_work(l, f.calls, f.tokens)
      part = math.max(0, math.min(part, 1))
      calls, tokens = calls + part * f.calls, tokens + part * f.tokens
    end
  end
  return calls, tokens
end

-- What follows changes.

local function order_charge(l, ticket, seconds)
  local f = order_change(l, order_stream(ticket))
  f.tag = math.max(f.tag, l.s.clock) + order_work(l, 1, ticket.tokens) / f.weight
  f.used = l.now + math.min(order_used_for(l, f) + seconds / ORDER_SHARE, ORDER_LONGEST_USE)
  l.s.latest = math.max(l.s.latest, f.tag)
  l.s.seq = l.s.seq + 1
end

local function order_join(l, ticket, seq)
  local s, stream, length = l.s, order_stream(ticket), order_length(l)
  if length == 0 then
    s.clock = math.max(s.clock, s.latest)
  end
  local f = order_change(l, stream)
  local start = order_start(l, f)
  if ticket.seq then
    local turn = order_work(l, 1, ticket.tokens)
    start = math.min(start, math.max(start - turn / f.weight, s.clock - ORDER_LEAD * turn))
  end
  f.tag, f.calls, f.tokens = start, f.calls + 1, f.tokens + ticket.tokens
  redis.call('ZADD', order_line(l, stream), seq, ticket.member)
  redis.call('HSET', l.waiting, ticket.member, cmsgpack.pack({
    seq, ticket.tokens, ticket.flow, ticket.weight, ticket.deadline, l.now,
  }))
  redis.call('EXPIRE', order_line(l, stream), 86400)
  redis.call('EXPIRE', l.waiting, 86400)
  l.length = length + 1
  s.tokens = s.tokens + ticket.tokens
  s.seq = math.max(s.seq, seq) + 1
end

local function order_leave(l, member)
  local ticket = order_waiter(l, member)
  if not ticket then return false end
  local stream, length = order_stream(ticket), order_length(l)
  local f = order_change(l, stream)
  redis.call('HDEL', l.waiting, member)
  redis.call('ZREM', order_line(l, stream), member)
  f.calls, f.tokens = math.max(0, f.calls - 1), f.tokens - ticket.tokens
  l.length = length - 1
  l.s.tokens = l.s.tokens - ticket.tokens
  return true
end
