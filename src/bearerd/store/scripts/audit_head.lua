-- Note the head of a sealed segment of a process's audit chain. Heads are only ever added, each under the next number and with a
-- digest over the one before; a process's segments come in their order, so that one that is offered twice is noted once.
--   KEYS  heads (stream), state (hash)   ARGV  process, segment, first, last, mac, final (0 or 1), proof, host, most heads kept
--   -> 1 noted, 0 it stands there already
local before = tonumber(redis.call('HGET', KEYS[2], 'process ' .. ARGV[1]) or '-1')
if tonumber(ARGV[2]) <= before then return 0 end
local number = tonumber(redis.call('HGET', KEYS[2], 'number') or '0') + 1
local digest = redis.sha1hex((redis.call('HGET', KEYS[2], 'digest') or '') .. table.concat(ARGV, ' ', 1, 8))
redis.call('HSET', KEYS[2], 'number', number, 'digest', digest)
if ARGV[6] == '1' then
  redis.call('HDEL', KEYS[2], 'process ' .. ARGV[1])
else
  redis.call('HSET', KEYS[2], 'process ' .. ARGV[1], ARGV[2])
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[9], '*', 'number', number, 'digest', digest, 'process', ARGV[1], 'segment', ARGV[2],
  'first', ARGV[3], 'last', ARGV[4], 'mac', ARGV[5], 'final', ARGV[6], 'proof', ARGV[7], 'host', ARGV[8])
return 1
