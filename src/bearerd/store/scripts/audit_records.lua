-- Append audit records, in one piece.
--   KEYS  records (stream)   ARGV  about how many are kept, the records
for i = 2, #ARGV do redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'record', ARGV[i]) end
return #ARGV - 1
