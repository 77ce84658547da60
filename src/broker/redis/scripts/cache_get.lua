-- KEYS[1] is the value, behind 16 digits of when it ends.
local kept = redis.call('GET', KEYS[1])
if not kept or tonumber(string.sub(kept, 1, 16)) <= now then
    return false
end
return string.sub(kept, 17)
