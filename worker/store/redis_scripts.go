package store

import "github.com/redis/go-redis/v9"

// Each script writes with at most one command, to its one key: Redis records it as that command.
// More would stand in its append-only file as a transaction, and what comes after a transaction
// that was cut off by a crash can be lost.
//
// A worker must be able to commit where Redis has no memory for others: else it could not trim the
// stream, and nothing would ever free memory.
const (
	allowOOM = "#!lua flags=allow-oom\n"
	now      = `local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) `
	fenced   = `
		local fenced = redis.error_reply('FENCED by another state')
		if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return fenced end `
)

var (
	// acquireScript takes a new token, the lease in ms and the owner's name. An owner whose last
	// answer was lost is not in its own way.
	acquireScript = redis.NewScript(allowOOM + now + `
		if tonumber(redis.call('HGET', KEYS[1], 'until') or 0) > now
			and redis.call('HGET', KEYS[1], 'owner') ~= ARGV[3] then return 0 end
		redis.call('HSET', KEYS[1], 'token', ARGV[1], 'until', now + ARGV[2], 'owner', ARGV[3])
		return 1`)

	ownerScript = redis.NewScript(allowOOM + now + `
		if tonumber(redis.call('HGET', KEYS[1], 'until') or 0) <= now then return '' end
		return redis.call('HGET', KEYS[1], 'owner') or ''`)

	renewScript = redis.NewScript(allowOOM + fenced + now + `
		return redis.call('HSET', KEYS[1], 'until', now + ARGV[2])`)

	releaseScript = redis.NewScript(allowOOM + fenced + `
		return redis.call('HSET', KEYS[1], 'token', '', 'until', 0)`)

	// loadScript returns state, position, and the name and length of each batch.
	loadScript = redis.NewScript(allowOOM + fenced + `
		local saved = redis.call('HMGET', KEYS[1], 'state', 'position')
		local all = {saved[1] or '', saved[2] or ''}
		for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
			if name:find('^lines:') or name:find('^letters:') then
				all[#all + 1] = name
				all[#all + 1] = redis.call('HSTRLEN', KEYS[1], name)
			end
		end
		return all`)

	// commitScript takes the position of the commit before, the new one, the state, and names and
	// values of batches. It may find the new position there if a client repeats it after a lost
	// answer. Else a commit that comes late, from a connection that was given up, would put the
	// state back; and a master that was promoted without the last commit would be written over.
	commitScript = redis.NewScript(allowOOM + fenced + `
		local position = redis.call('HGET', KEYS[1], 'position') or ''
		if position ~= ARGV[2] and position ~= ARGV[3] then return fenced end
		return redis.call('HSET', KEYS[1], 'position', ARGV[3], 'state', ARGV[4], unpack(ARGV, 5))`)

	letterScript = redis.NewScript(allowOOM + fenced + `
		return redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])`)

	removeScript = redis.NewScript(allowOOM + fenced + `
		return redis.call('HDEL', KEYS[1], unpack(ARGV, 2))`)
)
