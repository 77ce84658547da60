-- id; then the channel and the message that wake.
local id = ARGV[2]
local state, seq, key = unpack(redis.call('HMGET', job(id), 'state', 'seq', 'key'))
if state ~= 'failed' then
    return 0
end
redis.call('ZREM', ENDED, id)
redis.call('HDEL', job(id), 'error')
redis.call('HSET', job(id), 'attempts', 0)
move(id, seq, 'failed', 'waiting')
offer(id, seq, key)
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
