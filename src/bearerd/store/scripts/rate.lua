-- Budgets of the whole fleet: token buckets that refill by this server's clock. A process tells what it has spent, and the
-- bucket may fall below nothing: what was spent too much is paid back before anybody spends again. Or it asks first.
--   KEYS  buckets   ARGV  for each: what comes in (a second), the most it holds, how many, '1' = only if it holds so many
--   -> for each: '1' taken or '0' not, what it holds then
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local told = {}
for i, key in ipairs(KEYS) do
  local rate, burst, spent = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1])
  local kept = redis.call('HMGET', key, 'level', 'at')
  local level, at = tonumber(kept[1] or ''), tonumber(kept[2] or '')
  if level and at then
    level = math.min(burst, level + math.max(0, now - at) * rate) -- a clock that was set back brings nothing in
  else
    level = burst
  end
  local taken = ARGV[4 * i] ~= '1' or level >= spent - 0.000001
  if taken then level = level - spent end
  redis.call('HSET', key, 'level', string.format('%.17g', level), 'at', string.format('%.17g', now))
  redis.call('PEXPIRE', key, string.format('%.0f', (burst - level) / rate * 1000 + 1000)) -- full again, it is as good as none
  told[#told + 1] = taken and '1' or '0'
  told[#told + 1] = string.format('%.17g', level)
end
return told
