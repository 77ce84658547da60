-- KEYS[1] is the lock; holder.
if redis.call('HGET', KEYS[1], 'holder') == ARGV[2] then
    redis.call('DEL', KEYS[1])
end
return 1
