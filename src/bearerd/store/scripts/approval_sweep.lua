-- Take out of the list what has expired or was used; whoever does so is the one to tell of it.
--   KEYS  all that are open   ARGV  prefix of the hashes, most at once
--   -> { id, document, mac, … } of those that expired before they were decided or used
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))) do
  local s = redis.call('HMGET', ARGV[1] .. id, 'document', 'mac', 'state')
  if s[1] and (s[3] == 'pending' or s[3] == 'approved') then
    found[#found + 1] = id
    found[#found + 1] = s[1]
    found[#found + 1] = s[2]
  end
  redis.call('ZADD', KEYS[1], -1, id) -- marked, and removed below: the store's user need not have a right more
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', -1)
return found
