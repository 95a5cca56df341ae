// Package rendezvous chooses servers for users by rendezvous hashing (Thaler and Ravishankar,
// "Using name-based mappings to increase hit rates", 1998): each user has a score at each server, which
// nothing but the two of them determines, and takes the servers with the best. So a user keeps its
// servers as long as they are there, and a server that goes moves nobody but its own users.
package rendezvous

import (
	"hash/fnv"
	"math"
)

// Hash returns a 64-bit hash of a name: FNV-1a, and a finalizer that lets each bit of the name
// change each bit of the hash. Users should be given by names that they cannot choose.
func Hash(name []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(name) // never fails
	return mix(h.Sum64())
}

// mix is the finalizer of SplitMix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Score returns the score of a user at a server with this rate; the lowest is the best. Over all
// users it is distributed exponentially with the rate, so that the server with the lowest score is
// this one as often as its rate is of the sum of all rates. A server with the rate 0 is taken after all others,
// one with the rate [Always] before.
func Score(user, server uint64, rate float64) float64 {
	uniform := (float64(mix(user^server)>>11) + 0.5) / (1 << 53) // between 0 and 1, and neither
	return -math.Log(uniform) / rate
}

// Always is the rate of a server that everybody is given.
var Always = math.Inf(1)
