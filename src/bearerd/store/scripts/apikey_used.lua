-- When API keys were last used, roughly. A record that has gone is not made again by it.
--   KEYS  a record each   ARGV  when (s)
for _, record in ipairs(KEYS) do
  if redis.call('HEXISTS', record, 'record') == 1 and tonumber(redis.call('HGET', record, 'used') or 0) < tonumber(ARGV[1]) then
    redis.call('HSET', record, 'used', ARGV[1])
  end
end
return #KEYS
