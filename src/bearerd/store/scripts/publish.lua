-- Share an issuer's key set with the fleet, unless a newer one is there already.
--   KEYS  key set, bell   ARGV  document, etag, fetched-at, expires-at (seconds), mac, issuer, life of the key (ms)
--   -> 1 published, 0 a newer one stands, -1 the fetcher's clock leads the store's by more than a minute
local now = tonumber(redis.call('TIME')[1])
if tonumber(ARGV[3]) > now + 60 then return -1 end
local standing = tonumber(redis.call('HGET', KEYS[1], 'fetched_at') or '')
if standing and standing > tonumber(ARGV[3]) and standing <= now + 60 then return 0 end
redis.call('HSET', KEYS[1], 'document', ARGV[1], 'etag', ARGV[2], 'fetched_at', ARGV[3], 'expires_at', ARGV[4], 'mac', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 256, '*', 'keys', ARGV[6])
return 1
