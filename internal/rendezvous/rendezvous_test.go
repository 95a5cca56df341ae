package rendezvous

import (
	"fmt"
	"math"
	"strconv"
	"testing"
)

const million = 1_000_000

// best appends the n best of the servers that are there.
func best(dst []int, user uint64, servers []uint64, rates []float64, there func(int) bool, n int) []int {
	dst = dst[:0]
	scores := [8]float64{}
	for i, s := range servers {
		scores[i] = Score(user, s, rates[i])
	}
	for range n {
		found := -1
		for i := range servers {
			taken := false
			for _, d := range dst {
				taken = taken || d == i
			}
			if !taken && there(i) && (found < 0 || scores[i] < scores[found]) {
				found = i
			}
		}
		if found >= 0 {
			dst = append(dst, found)
		}
	}
	return dst
}

func named(count int) (servers []uint64) {
	for i := range count {
		servers = append(servers, Hash([]byte("turn"+strconv.Itoa(i)+".example.org:3478")))
	}
	return servers
}

func everybody(int) bool { return true }

// TestMillionUsers gives servers to a million users, each as often as its weight says, within 2 %.
func TestMillionUsers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		weights []float64
		n       int
		want    []float64 // for how many of all users
	}{
		{"one of three", []float64{1, 1, 1}, 1, []float64{1. / 3, 1. / 3, 1. / 3}},
		{"one of two, weighted", []float64{1, 9}, 1, []float64{.1, .9}},
		{"one of four, weighted", []float64{1, 2, 3, 4}, 1, []float64{.1, .2, .3, .4}},
		{"two of five", []float64{7, 7, 7, 7, 7}, 2, []float64{.4, .4, .4, .4, .4}},
		{"two of four, weighted", []float64{1, 2, 3, 4}, 2, []float64{.2, .4, .6, .8}},
		{"three of eight, weighted", []float64{1, 1, 2, 2, 3, 3, 4, 8}, 3, []float64{.125, .125, .25, .25, .375, .375, .5, 1}},
		{"one that is chosen for all", []float64{1, 1, 10}, 2, []float64{.5, .5, 1}},
		{"one that is chosen for nobody", []float64{1, 3, 0}, 1, []float64{.25, .75, 0}},
		{"as many as there are", []float64{1, 5}, 2, []float64{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			servers, rates := named(len(tt.weights)), Rates(tt.weights, tt.n)
			counts := make([]float64, len(servers))
			var chosen []int
			for i := range million {
				chosen = best(chosen, Hash([]byte("user"+strconv.Itoa(i))), servers, rates, everybody, tt.n)
				for _, c := range chosen {
					counts[c]++
				}
			}
			for i, want := range tt.want {
				if got := counts[i] / million; math.Abs(got-want) > want*.02 {
					t.Errorf("server %d for %.4f of the users, want %.4f; rates %v", i, got, want, rates)
				}
			}
		})
	}
}

// TestPairsAreSpread shows that two servers are not chosen together more often than others: users
// of one that dies go to all others alike.
func TestPairsAreSpread(t *testing.T) {
	servers, rates := named(4), Rates([]float64{1, 1, 1, 1}, 2)
	pairs := map[string]int{}
	var chosen []int
	for i := range million {
		chosen = best(chosen, Hash([]byte("user"+strconv.Itoa(i))), servers, rates, everybody, 2)
		pairs[fmt.Sprint(min(chosen[0], chosen[1]), max(chosen[0], chosen[1]))]++
	}
	for pair, count := range pairs {
		if got := float64(count) / million; len(pairs) != 6 || math.Abs(got-1./6) > .02/6 {
			t.Errorf("%d pairs, servers %s for %.4f of the users", len(pairs), pair, got)
		}
	}
}

// TestDeathMovesOwnUsers takes a server away: all others keep their users, and get its users as
// their weights say.
func TestDeathMovesOwnUsers(t *testing.T) {
	const dead = 2
	weights := []float64{1, 2, 3, 2}
	servers, rates := named(4), Rates(weights, 1)
	moved, users := make([]float64, 4), 0.
	var before, after []int
	for i := range million {
		user := Hash([]byte("user" + strconv.Itoa(i)))
		before = best(before, user, servers, rates, everybody, 1)
		after = best(after, user, servers, rates, func(i int) bool { return i != dead }, 1)
		if before[0] != dead {
			if after[0] != before[0] {
				t.Fatalf("user %d moves from %d to %d", i, before[0], after[0])
			}
			continue
		}
		moved[after[0]]++
		users++
	}
	for i, w := range weights {
		if want := w / 5; i != dead && math.Abs(moved[i]/users-want) > .02*want {
			t.Errorf("server %d takes over %.4f of the users, want %.4f", i, moved[i]/users, want)
		}
	}
}

// TestHundredServers looks whether rates are found for a hundred servers of very different weights.
func TestHundredServers(t *testing.T) {
	const n = 4
	var weights []float64
	var open []int
	for i := range 100 {
		weights, open = append(weights, float64(1+i*7%100)), append(open, i)
	}
	rates := Rates(weights, n)
	for i, w := range weights {
		if got, want := inclusion(rates, open, i, n), n*w/5050; math.Abs(got/want-1) > .002 {
			t.Errorf("weight %v is chosen for %.5f of the users, want %.5f", w, got, want)
		}
	}
}

// TestStable pins scores: users must not move because extdisco was updated.
func TestStable(t *testing.T) {
	if got := Hash([]byte("juliet")); got != 0x3d844feca702e2c7 {
		t.Errorf("Hash = %#x", got)
	}
	if got := Score(1, 2, 2); math.Abs(got-1.06659149) > 1e-8 {
		t.Errorf("Score = %.8f", got)
	}
	if Score(1, 2, 0) != math.Inf(1) || Score(1, 2, Always) != 0 {
		t.Error("rates of nobody and everybody")
	}
}
