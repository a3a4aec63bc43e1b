-- Approve or deny a pending approval: once, and in time.
--   KEYS  its hash   ARGV  document, "approved" or "denied", verdict, its mac
--   -> "ok", or why not: "gone", "changed", or the state that it is in
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local s = redis.call('HMGET', KEYS[1], 'document', 'state', 'expires')
if not s[1] or tonumber(s[3]) <= now then return 'gone' end
if s[1] ~= ARGV[1] then return 'changed' end
if s[2] ~= 'pending' then return s[2] end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'verdict', ARGV[3], 'verdict_mac', ARGV[4])
return 'ok'
