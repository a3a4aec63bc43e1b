-- Give a fetch lease back, if it is still the caller's.
--   KEYS  fetch lease   ARGV  the caller's token
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
