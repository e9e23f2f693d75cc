-- answers: how much memory the stored answers of each project take, and which of them go first to make room.
--
-- Included by settle, answers_forget and answers_tidy, after names.
--   {p}:answers_in:PROJECT (zset)  fingerprint -> when the answer expires and how large it is, in one number (below); and
--                                  the empty member -> minus the sum of the sizes. The sum shares the set's fate, so that
--                                  no restart and no eviction can part them
--   {p}:answers_held (zset)        project -> the sum of its set; and the empty member -> minus the sum of all. Written
--                                  when a project's sum has changed by a step of 16 kB, and corrected by answers_tidy
-- Sizes are counted in blocks. The number of an answer is its expiry in Unix seconds * 2^20 + its blocks: it sorts by
-- expiry, and has 52 bits, so a double holds it.

local ANSWERS_BLOCK, ANSWERS_SPAN, ANSWERS_BATCH, ANSWERS_MAX_DROPPED = 128, 1048576, 8, 64
-- What Redis needs for an answer beside its texts: measured, with the two indexes that name it.
local ANSWERS_OVERHEAD = 1270
local ANSWERS_STEP = 128 -- blocks

local function answers_blocks_of(bytes)
  return math.min(ANSWERS_SPAN - 1, math.ceil((bytes + ANSWERS_OVERHEAD) / ANSWERS_BLOCK))
end

-- Note the sum of a project for all to see. Returns the sum of all.
local function answers_note(prefix, project, sum)
  local held = prefix .. ':answers_held'
  local before = tonumber(redis.call('ZSCORE', held, project) or '0')
  if sum > 0 then
    redis.call('ZADD', held, sum, project)
  else
    redis.call('ZREM', held, project)
  end
  return -tonumber(redis.call('ZINCRBY', held, before - sum, ''))
end

-- Change the sum of a project by so many blocks. Returns its sum, and the sum of all if it has changed by a step.
local function answers_count(prefix, project, blocks)
  local index = name_of(prefix, 'answers_in', project)
  local sum = -tonumber(redis.call('ZINCRBY', index, -blocks, ''))
  if sum <= 0 then
    redis.call('DEL', index)
  elseif blocks > 0 and math.ceil(sum / ANSWERS_STEP) == math.ceil((sum - blocks) / ANSWERS_STEP) then
    return sum
  end
  return math.max(0, sum), answers_note(prefix, project, math.max(0, sum))
end

-- Delete an answer and its entry in the index of an end user.
local function answers_delete(prefix, fingerprint)
  local key = name_of(prefix, 'answer', fingerprint)
  local end_user = redis.call('HGET', key, 'of')
  if end_user then redis.call('ZREM', name_of(prefix, 'answers_of', end_user), fingerprint) end
  redis.call('UNLINK', key)
end

-- Delete the answers of a project that expire first, `limit` of them at most. Returns how many, their blocks, and the two
-- sums.
local function answers_drop(prefix, project, limit)
  local index, blocks = name_of(prefix, 'answers_in', project), 0
  local found = redis.call('ZRANGEBYSCORE', index, 1, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  for n = 1, #found, 2 do
    answers_delete(prefix, found[n])
    redis.call('ZREM', index, found[n])
    blocks = blocks + tonumber(found[n + 1]) % ANSWERS_SPAN
  end
  return #found / 2, blocks, answers_count(prefix, project, -blocks)
end

-- Take one answer out of the index of its project. Returns its blocks.
local function answers_take_out(prefix, project, fingerprint)
  local index = name_of(prefix, 'answers_in', project)
  local number = redis.call('ZSCORE', index, fingerprint)
  if not number then return 0 end
  redis.call('ZREM', index, fingerprint)
  return tonumber(number) % ANSWERS_SPAN
end

-- Return the project whose answers take most, or nil.
local function answers_largest_holder(prefix)
  local project = redis.call('ZREVRANGE', prefix .. ':answers_held', 0, 0)[1]
  return project ~= '' and project or nil
end

-- Drop what expires first until both sums fit: of the project itself while it holds more than its share, else of the
-- project that holds most. Returns whether they fit.
local function answers_make_room(prefix, project, sum, total, share, room)
  local dropped = 0
  while (sum > share or total > room) and dropped < ANSWERS_MAX_DROPPED do
    local holder = sum > share and project or answers_largest_holder(prefix)
    if not holder then break end
    local count, _, left, all = answers_drop(prefix, holder, ANSWERS_BATCH)
    if holder == project then sum = left end
    total, dropped = all, dropped + math.max(1, count)
  end
  return sum <= share and total <= room
end

-- Count an answer that is about to be stored until `expires`, in Unix seconds. Returns whether there is room for it; its
-- fingerprint's earlier answer is replaced, or deleted. Answers that have expired stay counted until answers_tidy finds
-- them, or until they are the first ones to make room.
local function answers_admit(prefix, project, fingerprint, bytes, expires, share, room)
  local index, blocks = name_of(prefix, 'answers_in', project), answers_blocks_of(bytes)
  local number = string.format('%.0f', math.ceil(expires) * ANSWERS_SPAN + blocks)
  share, room = math.floor(share / ANSWERS_BLOCK), math.floor(room / ANSWERS_BLOCK)
  local too_large, change = blocks > math.min(share, room), blocks
  if too_large or redis.call('ZADD', index, 'NX', number, fingerprint) == 0 then
    local before = answers_take_out(prefix, project, fingerprint)
    if before > 0 then answers_delete(prefix, fingerprint) end
    if too_large then
      if before > 0 then answers_count(prefix, project, -before) end
      return false
    end
    redis.call('ZADD', index, number, fingerprint)
    change = blocks - before
  end
  local sum, total = answers_count(prefix, project, change)
  if sum <= share and (not total or total <= room) then return true end
  total = total or answers_note(prefix, project, sum)
  if answers_make_room(prefix, project, sum, total, share, room) then
    return redis.call('ZSCORE', index, fingerprint) ~= false
  end
  answers_count(prefix, project, -answers_take_out(prefix, project, fingerprint))
  return false
end
