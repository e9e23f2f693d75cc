-- answers_purge: delete those of some stored answers that a purge selects.
--
--   KEYS  the stored responses (hashes)
--   ARGV  1 prefix   2 the project, as it stands in names   3 the model   4 the request id   (2 to 4: empty for any)
--         5 the project whose index names these answers, as it stands in names; empty where it is not known
-- An answer of an older release does not say its project, its model and the request that stored it. The project is then
-- that of the index, and the model is compared with the one that answered, whose name may be longer.
-- Returns how many were deleted
-- include: names
-- include: answers
local prefix, project, model, request, index = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local begin = name_of(prefix, 'answer', '')
local deleted, freed = 0, {}

local function served_model(account)
  local good, fields = pcall(cjson.decode, account)
  return good and type(fields) == 'table' and type(fields.served_model) == 'string' and fields.served_model or ''
end

local function is_of_model(answer)
  if model == '' or answer[2] == model then return true end
  return not answer[2] and string.sub(served_model(answer[4] or ''), 1, #model) == model
end

for _, key in ipairs(KEYS) do
  local answer = redis.call('HMGET', key, 'in', 'model', 'by', 'account', 'at')
  local home = answer[1] or (index ~= '' and index)
  local selected = (project == '' or home == project) and (request == '' or answer[3] == request) and is_of_model(answer)
  if answer[5] and selected then
    local fingerprint = string.sub(key, #begin + 1)
    answers_delete(prefix, fingerprint)
    deleted = deleted + 1
    if home then freed[home] = (freed[home] or 0) + answers_take_out(prefix, home, fingerprint) end
  end
end
for home, blocks in pairs(freed) do
  if blocks > 0 then answers_count(prefix, home, -blocks) end
end
return deleted
