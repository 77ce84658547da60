-- how the names of the workers begin, most attempts; then the channel and the message that wake.
local prefix, most, released = ARGV[2], tonumber(ARGV[3]), 0
for _, id in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
    local worker, seq, key, attempts = unpack(redis.call('HMGET', job(id), 'worker', 'seq', 'key', 'attempts'))
    if worker and string.sub(worker, 1, #prefix) == prefix then
        released = released + 1
        if tonumber(attempts) >= most then
            give_up(id, seq, key, attempts)
        else
            redis.call('ZREM', LEASES, id)
            redis.call('HDEL', job(id), 'worker')
            redis.call('HSET', job(id), 'error', 'attempt ' .. attempts .. ' ended with its process')
            move(id, seq, 'running', 'waiting')
            free(key)
            offer(id, seq, key)
        end
    end
end
if released > 0 then
    redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return released
