-- Use an approval up: whoever does so first passes, and nobody after.
--   KEYS  its hash, all that are open, those of its principal   ARGV  id, document, verdict, attempt
--   -> "ok", or why not: "gone", "changed", or the state that it is in
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local s = redis.call('HMGET', KEYS[1], 'document', 'state', 'verdict', 'expires')
if not s[1] or tonumber(s[4]) <= now then return 'gone' end
if s[1] ~= ARGV[2] or s[3] ~= ARGV[3] then return 'changed' end
if s[2] ~= 'approved' then return s[2] end
redis.call('HSET', KEYS[1], 'state', 'used', 'used', string.format('%.0f', now), 'attempt', ARGV[4])
redis.call('ZADD', KEYS[2], 0, ARGV[1]) -- it counts no longer: the next sweep takes it out
redis.call('ZADD', KEYS[3], 0, ARGV[1])
return 'ok'
