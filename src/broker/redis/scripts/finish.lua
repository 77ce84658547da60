-- id, worker, the state that follows, why, the pause; then the channel and the message that wake.
local id, verdict, why = ARGV[2], ARGV[4], ARGV[5]
local state, worker, seq, key, attempts = unpack(redis.call('HMGET', job(id), 'state', 'worker', 'seq', 'key', 'attempts'))
if state ~= 'running' or worker ~= ARGV[3] then
    return 0
end
if verdict == 'done' then
    finish(id, seq, key, 'done')
elseif verdict == 'failed' then
    finish(id, seq, key, 'failed', why)
else
    redis.call('ZREM', LEASES, id)
    redis.call('HDEL', job(id), 'worker')
    redis.call('HSET', job(id), 'error', why, 'attempts', tonumber(attempts) - 1)
    move(id, seq, 'running', 'waiting')
    free(key)
    redis.call('ZADD', DELAYED, now + tonumber(ARGV[6]), id)
end
redis.call('PUBLISH', ARGV[7], ARGV[8])
return 1
