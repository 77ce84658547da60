-- What the scripts about jobs share. KEYS[1] names the queue and carries its hash tag: every other key of the queue is
-- made from it, so all are in one slot. ARGV[1] is the time in milliseconds, 0 = the server's.
local base = KEYS[1]
local SEQ, HELD = base .. ':seq', base .. ':held'
local READY, DELAYED, LEASES, ENDED = base .. ':ready', base .. ':delayed', base .. ':leases', base .. ':ended'

local now = tonumber(ARGV[1])
if now == 0 then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function job(id)
    return base .. ':job:' .. id
end

local function parked(key)
    return base .. ':parked:' .. key
end

local function listed(state)
    return base .. ':in:' .. state
end

-- A number as digits: Lua alone writes large ones with an exponent.
local function digits(number)
    return string.format('%.0f', number)
end

-- Moves a job from one state to another in the lists and in itself.
local function move(id, seq, from, to)
    redis.call('ZREM', listed(from), id)
    redis.call('ZADD', listed(to), seq, id)
    redis.call('HSET', job(id), 'state', to, 'updated', digits(now))
end

-- Lets a job be found by the next who takes: by its number, or after the one that has its key.
local function offer(id, seq, key)
    if key and redis.call('HEXISTS', HELD, key) == 1 then
        redis.call('ZADD', parked(key), seq, id)
    else
        redis.call('ZADD', READY, seq, id)
    end
end

-- Gives a key up; of those that wait for it the oldest is offered.
local function free(key)
    if key then
        redis.call('HDEL', HELD, key)
        local first = redis.call('ZPOPMIN', parked(key))
        if first[1] then
            redis.call('ZADD', READY, first[2], first[1])
        end
    end
end

-- Ends a running job for good.
local function finish(id, seq, key, state, why)
    redis.call('ZREM', LEASES, id)
    redis.call('HDEL', job(id), 'worker', 'error')
    if why then
        redis.call('HSET', job(id), 'error', why)
    end
    move(id, seq, 'running', state)
    redis.call('ZADD', ENDED, now, id)
    free(key)
end

local function give_up(id, seq, key, attempts)
    finish(id, seq, key, 'failed', 'started ' .. attempts
        .. ' times without a verdict (a panic or the end of its process); see the log of its worker, then restart the job')
end
