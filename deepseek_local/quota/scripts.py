"""
What Redis does for the ledger, in Lua: each script is one atomic step (redis.io, "Scripting with Lua"), for which Redis has the time.

A counter is a hash with the fields `starts`, `used` and `began` (see `quota.tables`), the running requests of a scope are a sorted set of
charge ids by the time until which they count. All keys carry one hash tag, so that a cluster keeps them together, and all of them expire.
"""

from typing import Final

_NOW: Final = """
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
"""

CHARGE: Final = f"""
{_NOW}
local id, lease, latest = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if latest and now > latest then
    return {{string.format('%.6f', now)}}
end
local used, begun, fits = {{}}, {{}}, true
for index, key in ipairs(KEYS) do
    local seconds, amount, limit = tonumber(ARGV[3 * index + 2]), tonumber(ARGV[3 * index + 3]), tonumber(ARGV[3 * index + 4])
    if seconds == 0 then
        used[index], begun[index] = redis.call('ZCOUNT', key, '(' .. now, now + lease), ''
    else
        local count = redis.call('HMGET', key, 'starts', 'used', 'began')
        local runs = tonumber(count[1]) == math.floor(now / seconds) * seconds
        used[index], begun[index] = runs and tonumber(count[2]) or 0, runs and count[3] or id
    end
    fits = fits and used[index] + amount <= limit
end
if fits then
    for index, key in ipairs(KEYS) do
        local seconds, amount = tonumber(ARGV[3 * index + 2]), tonumber(ARGV[3 * index + 3])
        if seconds == 0 then
            redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
            redis.call('ZADD', key, now + lease, id)
            redis.call('EXPIRE', key, lease)
        else
            local starts = math.floor(now / seconds) * seconds
            redis.call('HSET', key, 'starts', starts, 'used', used[index] + amount, 'began', begun[index])
            redis.call('EXPIRE', key, seconds)
        end
    end
end
return {{string.format('%.6f', now), used, begun}}
"""
"""
Count a request in all counters or in none; return the time, what was used before, and the charges with which the counts began.

After the latest time for which it was asked it counts nothing, and returns the time only: nobody waits for the answer any more.

KEYS are those of the counters. ARGV are the time (empty for that of Redis), the id of the charge, the seconds of a lease and the latest
time (empty for none), then for each key the seconds of its window (0 for running requests), the amount and the limit.
"""

SETTLE: Final = """
local last = tonumber(ARGV[3])
for index = 1, last do
    local key = KEYS[index]
    if redis.call('HGET', key, 'began') == ARGV[3 + index] then
        local used = tonumber(redis.call('HGET', key, 'used')) + tonumber(ARGV[2])
        redis.call('HSET', key, 'used', math.max(0, used))
    end
end
for index = last + 1, #KEYS do
    redis.call('ZREM', KEYS[index], ARGV[1])
end
"""
"""
Correct what a request counts, and end its leases.

KEYS are those of the counters of tokens, then those of the leases. ARGV are the id of the charge, the difference in tokens, the number of
counters, and for each the charge with which its count began.
"""

RENEW: Final = f"""
{_NOW}
local lease = tonumber(ARGV[2])
for index, key in ipairs(KEYS) do
    redis.call('ZADD', key, now + lease, ARGV[2 + index])
    redis.call('EXPIRE', key, lease)
end
"""
"""Prolong leases. KEYS are those of the leases. ARGV are the time, the seconds of a lease, and the id of the charge for each key."""

SHOW: Final = f"""
{_NOW}
local found = {{}}
for index, key in ipairs(KEYS) do
    local seconds = tonumber(ARGV[2 + index])
    if seconds == 0 then
        found[index] = redis.call('ZCOUNT', key, '(' .. now, now + tonumber(ARGV[2]))
    else
        local count = redis.call('HMGET', key, 'starts', 'used')
        local runs = tonumber(count[1]) == math.floor(now / seconds) * seconds
        found[index] = runs and tonumber(count[2]) or 0
    end
end
return {{string.format('%.6f', now), found}}
"""
"""Return the time and what is used. KEYS are counters and leases. ARGV are the time, the seconds of a lease, and those of each window."""
