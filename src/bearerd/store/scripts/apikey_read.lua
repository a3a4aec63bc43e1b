-- API keys' records as they are, and how many keys are in force.
--   KEYS  all keys, revoked keys, then a record each
--   -> { in force, { record, mac, last used } or {} each }
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local found = {}
for i = 3, #KEYS do
  local fields = redis.call('HMGET', KEYS[i], 'record', 'mac', 'used')
  found[i - 2] = (fields[1] and fields[2]) and { fields[1], fields[2], fields[3] or '' } or {}
end
return { redis.call('ZCARD', KEYS[1]) - redis.call('ZCARD', KEYS[2]), found }
