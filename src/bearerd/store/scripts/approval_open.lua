-- Open an approval for one call, or find the one that stands for exactly this call.
--   KEYS  the call's pointer, all that are open, those of this principal, the new one's hash
--   ARGV  id, document, mac, expiry (ms), most in all, most of one principal, attempt, grace (ms), prefix of the hashes,
--         how long it lives (ms): one that a clock ahead of ours has opened lives no longer either
--   -> { "opened" } | { "full" } | { "yours" } | { "standing", id, document, mac, state, verdict, its mac, by its attempt }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local standing = redis.call('GET', KEYS[1])
if standing then
  local s = redis.call('HMGET', ARGV[9] .. standing, 'document', 'mac', 'state', 'verdict', 'verdict_mac', 'expires', 'used', 'attempt')
  local spent = s[3] == 'used'
  local again = spent and ARGV[7] ~= '' and s[8] == ARGV[7] and math.abs(now - tonumber(s[7])) <= tonumber(ARGV[8])
  if s[1] and tonumber(s[6]) > now and (again or not spent) then
    return { 'standing', standing, s[1], s[2], s[3], s[4] or '', s[5] or '', again and 1 or 0 }
  end
end
if tonumber(ARGV[4]) <= now then return { 'late' } end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then return { 'yours' } end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then return { 'full' } end
local life = math.min(tonumber(ARGV[4]) - now, tonumber(ARGV[10]))
local expires = string.format('%.0f', now + life)
redis.call('HSET', KEYS[4], 'document', ARGV[2], 'mac', ARGV[3], 'state', 'pending', 'expires', expires)
redis.call('PEXPIRE', KEYS[4], life + 60000) -- a minute for whoever tells that it has expired
redis.call('SET', KEYS[1], ARGV[1], 'PX', life)
redis.call('ZADD', KEYS[2], expires, ARGV[1])
redis.call('ZADD', KEYS[3], expires, ARGV[1])
redis.call('PEXPIRE', KEYS[3], life + 86400000)
return { 'opened' }
