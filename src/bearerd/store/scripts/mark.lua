-- Tools of a review that say something else by now.
-- KEYS: the hash; ARGV: its life in milliseconds, then tool and digest in turn
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.status_reply('OK')
