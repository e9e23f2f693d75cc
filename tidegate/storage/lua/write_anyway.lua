-- write_anyway: begins a script that failed because the memory of Redis is full (`OOM`), and lets it write. See `writing_anyway`
-- in tidegate/storage/full_memory.py.
--
-- Redis refuses only the first write of a script, as it could not stop in the middle of several. So the first one deletes
-- a key that does not exist. Up to a tenth more than `maxmemory` is used in this way.
do
  local memory = redis.call('INFO', 'memory')
  local used, most = string.match(memory, 'used_memory:(%d+)'), string.match(memory, 'maxmemory:(%d+)')
  if not used or not most or tonumber(used) > 1.1 * most then
    return redis.error_reply('OOM the memory of Redis is full, and so is the tenth beyond it')
  end
  redis.call('DEL', (KEYS[1] or ARGV[1]) .. ':none')
end
