import { createHash } from 'node:crypto'

/** A script with its SHA-1, by which Redis keeps it. */
export interface RedisScript {
  text: string
  sha1: string
}

/*
 * The keys of a user: `:rate` is the state of gcra.ts. `:ends` is a sorted set of running begins (`t:` and their
 * ticket) and open uploads (`u:` and a hash of their confirm key), by their ends. `:open` is a hash of the uploads
 * as JSON. `:key:` and the hash of an Idempotency-Key is a hash: fingerprint `f`, end `e`, and the running ticket `t`
 * or the outcome `r` as JSON and the upload `u`. `:keys` is a sorted set of the Idempotency-Keys with an outcome, by
 * their ends. All times are milliseconds of Redis' clock, because the clocks of the gateways differ.
 *
 * The scripts use commands of Redis 3.2 or later. They have the rules of ledger/user-ledger.ts.
 */

const PRELUDE = `
-- Redis 4 and older: replicate the effects, because the time is not deterministic.
if redis.replicate_commands then redis.replicate_commands() end

-- tostring would round numbers to 14 digits.
local function text(number) return string.format('%.17g', number) end
local function whole(number) return string.format('%.0f', number) end

-- Now, in milliseconds. A test may set it.
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end

local function expireAfter(key, ms, maxAge)
  redis.call('PEXPIRE', key, whole(math.max(1, math.ceil(math.min(ms, maxAge)))))
end

-- Counts one call. Returns how far the calls so far are ahead of the even rate, and whether it is allowed.
local function count(key, now, perMinute, maxAge)
  if perMinute == 0 then return '0', true end
  local oneTakes = 60000 / perMinute
  local ahead = math.max(0, tonumber(redis.call('GET', key) or '0') - now)
  -- Allowed calls never reach further ahead. The clock has been set back.
  if ahead > 60000 + oneTakes then ahead = 0 end
  local allowed = ahead + oneTakes - 60000 <= math.min(1, oneTakes / 2)
  if allowed then
    redis.call('SET', key, text(now + ahead + oneTakes))
    expireAfter(key, ahead + oneTakes, maxAge)
  end
  return text(ahead), allowed
end

local function drop(ends, open, member)
  redis.call('ZREM', ends, member)
  redis.call('HDEL', open, string.sub(member, 3))
end

local function dropEnded(ends, open, now)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', whole(now))) do
    drop(ends, open, member)
  end
end

-- Puts a ticket or an upload among the open ones. Both keys live until the last end.
local function put(ends, open, member, now, lasts, maxAge)
  redis.call('ZADD', ends, whole(now + lasts), member)
  local last = redis.call('ZREVRANGE', ends, 0, 0, 'WITHSCORES')
  expireAfter(ends, last[2] - now, maxAge)
  expireAfter(open, last[2] - now, maxAge)
end
`

function script(body: string): RedisScript {
  const text = PRELUDE + body
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}

/**
 * KEYS: rate.
 * ARGV: time, begins in a minute, longest life.
 */
export const countScript = script(`
local ahead = count(KEYS[1], clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
return ahead
`)

/**
 * KEYS: rate, ends, open, and the Idempotency-Key's if there is one.
 * ARGV: time, begins in a minute, longest life, open uploads, how long the begin may run, ticket, fingerprint, upload
 * that it replaces.
 */
export const beginScript = script(`
local rate, ends, open, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local maxAge, maxOpen, running = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local ticket, fingerprint, replaces = ARGV[6], ARGV[7], ARGV[8]
local now = clock(ARGV[1])
local ahead = '0'
if replaces == '' then
  local allowed
  ahead, allowed = count(rate, now, tonumber(ARGV[2]), maxAge)
  if not allowed then return {'rate_limited', ahead} end
end
dropEnded(ends, open, now)
local known = key and redis.call('HMGET', key, 'f', 'e', 'r', 'u')
if known and known[1] and tonumber(known[2]) > now then
  if known[1] ~= fingerprint then return {'key_reused', ahead} end
  if not known[3] then return {'in_progress', ahead} end
  if replaces == '' or known[4] ~= replaces then return {'replay', ahead, known[3]} end
elseif maxOpen > 0 and redis.call('ZCARD', ends) >= maxOpen then
  local first = redis.call('ZRANGE', ends, 0, 0, 'WITHSCORES')
  return {'too_many_open', ahead, whole(first[2] - now)}
end
if replaces ~= '' then drop(ends, open, 'u:' .. replaces) end
put(ends, open, 't:' .. ticket, now, running, maxAge)
if key then
  redis.call('DEL', key)
  redis.call('HMSET', key, 'f', fingerprint, 'e', whole(now + running), 't', ticket)
  expireAfter(key, running, maxAge)
end
return {'admitted', ahead}
`)

/**
 * KEYS: ends, open, keys, and the Idempotency-Key's if there is one.
 * ARGV: time, longest life, ticket, upload or an empty text, its JSON, how long it stays open, most uploads,
 * fingerprint, outcome as JSON, how long the key lasts, the key, most keys, what the name of a key starts with.
 */
export const beganScript = script(`
local ends, open, keys, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, maxAge, upload = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[4]
redis.call('ZREM', ends, 't:' .. ARGV[3])
if upload ~= '' then
  redis.call('HSET', open, upload, ARGV[5])
  put(ends, open, 'u:' .. upload, now, tonumber(ARGV[6]), maxAge)
  local above = redis.call('HLEN', open) - tonumber(ARGV[7])
  for _, member in ipairs(above > 0 and redis.call('ZRANGE', ends, 0, -1) or {}) do
    if above > 0 and string.sub(member, 1, 2) == 'u:' then
      drop(ends, open, member)
      above = above - 1
    end
  end
end
if key then
  local lasts = tonumber(ARGV[10])
  redis.call('DEL', key)
  redis.call('HMSET', key, 'f', ARGV[8], 'e', whole(now + lasts), 'r', ARGV[9], 'u', upload)
  expireAfter(key, lasts, maxAge)
  redis.call('ZREMRANGEBYSCORE', keys, '-inf', whole(now))
  redis.call('ZADD', keys, whole(now + lasts), ARGV[11])
  local above = redis.call('ZCARD', keys) - tonumber(ARGV[12])
  for _, old in ipairs(above > 0 and redis.call('ZRANGE', keys, 0, above - 1) or {}) do
    redis.call('ZREM', keys, old)
    -- It has the hash tag of the declared keys, and so their slot.
    redis.call('DEL', ARGV[13] .. old)
  end
  local last = redis.call('ZREVRANGE', keys, 0, 0, 'WITHSCORES')
  expireAfter(keys, last[2] - now, maxAge)
end
return 1
`)

/**
 * KEYS: ends, and the Idempotency-Key's if there is one.
 * ARGV: ticket.
 */
export const failedScript = script(`
redis.call('ZREM', KEYS[1], 't:' .. ARGV[1])
-- Another begin has the key if this one took longer than its ticket lasts.
local isOwn = KEYS[2] and redis.call('HGET', KEYS[2], 't') == ARGV[1]
if isOwn then redis.call('DEL', KEYS[2]) end
return 1
`)

/**
 * KEYS: ends, open.
 * ARGV: upload, `completed` or `aborted`, what the name of a key starts with.
 */
export const endedScript = script(`
local entry = redis.call('HGET', KEYS[2], ARGV[1])
drop(KEYS[1], KEYS[2], 'u:' .. ARGV[1])
local key = entry and cjson.decode(entry).key
local name = key and ARGV[3] .. key
-- An upload may stay open for longer than its key, which another begin may have now.
if not name or redis.call('HGET', name, 'u') ~= ARGV[1] then return 1 end
if ARGV[2] == 'aborted' then
  redis.call('DEL', name)
else
  redis.call('HMSET', name, 'r', '{"outcome":"complete"}')
end
return 1
`)

/**
 * KEYS: ends, open.
 * ARGV: time, most uploads.
 */
export const listScript = script(`
local ends, open = KEYS[1], KEYS[2]
dropEnded(ends, open, clock(ARGV[1]))
local uploads = {}
for _, member in ipairs(redis.call('ZREVRANGE', ends, 0, -1)) do
  local entry = #uploads < tonumber(ARGV[2]) and redis.call('HGET', open, string.sub(member, 3))
  if entry then table.insert(uploads, entry) end
end
return uploads
`)
