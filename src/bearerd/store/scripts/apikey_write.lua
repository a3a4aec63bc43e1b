-- Write an API key's record, if it is still as the writer has seen it.
--   KEYS  all keys, revoked keys, record
--   ARGV  id, record, mac, mac seen ('' = there was none), end (s), gone (s), most keys, revoked ('1' or '')
--   -> "ok" | "changed" | "full"
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if (redis.call('HGET', KEYS[3], 'mac') or '') ~= ARGV[4] then return 'changed' end
if ARGV[4] == '' and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[7]) then return 'full' end
redis.call('HSET', KEYS[3], 'record', ARGV[2], 'mac', ARGV[3])
redis.call('EXPIREAT', KEYS[3], ARGV[6])
redis.call('ZADD', KEYS[1], ARGV[5], ARGV[1])
if ARGV[8] == '1' then redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1]) end
return 'ok'
