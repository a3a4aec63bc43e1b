-- Share an issuer's key set with the fleet, unless a newer one is there already.
--   KEYS  key set   ARGV  document, jwks_uri, etag, fetched-at, expires-at (seconds), mac, life (ms)
--   -> 1 published, 0 a newer one stands, -1 the fetcher's clock leads the store's by more than a minute
local now = tonumber(redis.call('TIME')[1])
if tonumber(ARGV[4]) > now + 60 then return -1 end
local standing = tonumber(redis.call('HGET', KEYS[1], 'fetched_at') or '')
if standing and standing > tonumber(ARGV[4]) and standing <= now + 60 then return 0 end
redis.call('HSET', KEYS[1], 'document', ARGV[1], 'jwks_uri', ARGV[2], 'etag', ARGV[3],
  'fetched_at', ARGV[4], 'expires_at', ARGV[5], 'mac', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1
