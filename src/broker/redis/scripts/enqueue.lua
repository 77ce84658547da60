-- id, kind, payload, '1' if there is a key, the key; then the channel and the message that wake.
local id, kind, payload, keyed, key = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1', ARGV[6]
-- Sent again by a client that got no answer.
if redis.call('EXISTS', job(id)) == 1 then
    return 0
end
local seq = redis.call('INCR', SEQ)
redis.call('HSET', job(id), 'job_id', id, 'seq', seq, 'kind', kind, 'payload', payload, 'state', 'waiting',
    'attempts', 0, 'created', digits(now), 'updated', digits(now))
if keyed then
    redis.call('HSET', job(id), 'key', key)
end
redis.call('ZADD', listed('waiting'), seq, id)
offer(id, seq, keyed and key)
redis.call('PUBLISH', ARGV[7], ARGV[8])
return 1
