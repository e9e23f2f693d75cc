-- answers_tidy: forget answers that have expired, and correct the sums of what projects hold. One replica at a time does it.
--
-- Some projects are visited each time, chosen at random, because projects that store something tidy their own index.
--   ARGV  1 prefix   2 now, Unix seconds   3 milliseconds for which no other replica does the same
-- Returns {1 if it was done, bytes that all answers take, bytes of the project that holds most, number of projects}
-- include: names
-- include: answers

local PROJECTS, LIMIT, INDEX_TTL = 50, 500, 30 * 86400
local prefix, now = ARGV[1], tonumber(ARGV[2])
local held, claim = prefix .. ':answers_held', prefix .. ':answers_tidied'
-- changes nothing; but Redis lets a script that has begun to write go on, although its memory is full
redis.call('ZREMRANGEBYSCORE', held, 1, 0)

local function correct_sum_of_all()
  local all, projects = 0, redis.call('ZRANGEBYSCORE', held, 1, '+inf', 'WITHSCORES')
  for n = 2, #projects, 2 do all = all + projects[n] end
  if all > 0 then redis.call('ZADD', held, -all, '') else redis.call('DEL', held) end
end

local function forget_expired(project)
  local index, keys, blocks = name_of(prefix, 'answers_in', project), {}, 0
  local upper = string.format('%.0f', math.floor(now) * ANSWERS_SPAN)
  local found = redis.call('ZRANGEBYSCORE', index, 1, upper, 'WITHSCORES', 'LIMIT', 0, LIMIT)
  local members = {}
  for n = 1, #found, 2 do
    members[#members + 1], keys[#keys + 1] = found[n], name_of(prefix, 'answer', found[n])
    blocks = blocks + tonumber(found[n + 1]) % ANSWERS_SPAN
  end
  if #members > 0 then
    redis.call('UNLINK', unpack(keys)) -- there may be some left: the clocks of Redis and of the gateway differ
    redis.call('ZREM', index, unpack(members))
  end
  answers_count(prefix, project, -blocks)
  redis.call('EXPIRE', index, INDEX_TTL)
end

local function tidy()
  for _, project in ipairs(redis.call('ZRANDMEMBER', held, PROJECTS)) do
    if project ~= '' then forget_expired(project) end
  end
  correct_sum_of_all()
end

local claimed = redis.call('SET', claim, '1', 'NX', 'PX', ARGV[3])
if claimed then tidy() end
local all = redis.call('ZSCORE', held, '')
local largest = redis.call('ZREVRANGE', held, 0, 0, 'WITHSCORES')
local most = largest[2] and math.max(0, tonumber(largest[2])) or 0
local projects = redis.call('ZCOUNT', held, 1, '+inf')
return { claimed and 1 or 0, -(all or 0) * ANSWERS_BLOCK, most * ANSWERS_BLOCK, projects }
