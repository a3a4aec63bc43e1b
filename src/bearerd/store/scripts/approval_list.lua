-- Those that wait for somebody, of one piece of the list, the first to expire first.
--   KEYS  all that are open   ARGV  where the piece begins, how many it has, prefix of the hashes
--   -> { how many it had, id, document, mac, … of those that are pending }
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', tonumber(ARGV[1]), tonumber(ARGV[2]))
local found = { #names }
for _, id in ipairs(names) do
  -- First the state: those that were decided stand here until they expire, and nobody asks for what they say.
  if redis.call('HMGET', ARGV[3] .. id, 'state')[1] == 'pending' then
    local s = redis.call('HMGET', ARGV[3] .. id, 'document', 'mac')
    found[#found + 1] = id
    found[#found + 1] = s[1] or ''
    found[#found + 1] = s[2] or ''
  end
end
return found
