-- worker, length of a lease, most attempts, most looked at. Answers the job's fields, nil if there is none, 'again' if
-- it stopped looking before it knew.
local worker, lease, most, bound = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local best, best_seq, best_key, best_attempts

for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, bound)) do
    local seq, attempts, key = unpack(redis.call('HMGET', job(id), 'seq', 'attempts', 'key'))
    if not seq then
        redis.call('ZREM', LEASES, id)
    elseif tonumber(attempts) >= most then
        give_up(id, seq, key, attempts)
    elseif not best or tonumber(seq) < best_seq then
        best, best_seq, best_key, best_attempts = id, tonumber(seq), key, attempts
    end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', 0, bound)) do
    redis.call('ZREM', DELAYED, id)
    local seq, key = unpack(redis.call('HMGET', job(id), 'seq', 'key'))
    if seq then
        offer(id, seq, key)
    end
end

local orphan, known = best, false
for _ = 1, bound do
    local first = redis.call('ZRANGE', READY, 0, 0, 'WITHSCORES')
    if not first[1] or (orphan and best_seq < tonumber(first[2])) then
        known = true
        break
    end
    redis.call('ZREM', READY, first[1])
    local seq, key = unpack(redis.call('HMGET', job(first[1]), 'seq', 'key'))
    if seq and key and redis.call('HEXISTS', HELD, key) == 1 then
        redis.call('ZADD', parked(key), seq, first[1])
    elseif seq then
        best, best_seq, best_key, orphan, known = first[1], seq, key, false, true
        break
    end
end
if not known then
    return 'again'
end
if not best then
    return false
end

if orphan then
    redis.call('HSET', job(best), 'error', 'attempt ' .. best_attempts .. ' ended without a verdict')
elseif best_key then
    redis.call('HSET', HELD, best_key, best)
end
move(best, best_seq, orphan and 'running' or 'waiting', 'running')
redis.call('HSET', job(best), 'worker', worker)
redis.call('HINCRBY', job(best), 'attempts', 1)
redis.call('ZADD', LEASES, now + lease, best)
return redis.call('HGETALL', job(best))
