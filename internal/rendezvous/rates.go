package rendezvous

import "math"

// Rates returns rates with which each server is among the n best of a user as often as its weight
// says: a server of twice the weight for twice as many users. What would have to be chosen for more
// than all users is chosen for all of them, and the rest is shared by the others. With n = 1 rates
// are weights; beyond, those with a high weight are given a rate that is higher still, since nobody
// can be given a server twice.
func Rates(weights []float64, n int) []float64 {
	rates, wanted, n := shares(weights, n)
	var open []int // the servers that some are given
	for i, w := range wanted {
		if w > 0 {
			open = append(open, i)
		}
	}
	// Each step compares how often servers are chosen with how often they should be. The first
	// finds nothing to do where all weights are equal, or n is 1.
	for range maxSteps {
		worst := 0.0
		chosen := map[float64]float64{} // by rate: those with equal weights are chosen equally often
		for _, i := range open {
			if _, known := chosen[rates[i]]; !known {
				chosen[rates[i]] = inclusion(rates, open, i, n)
				worst = max(worst, math.Abs(chosen[rates[i]]/wanted[i]-1))
			}
		}
		if worst < tolerance {
			break
		}
		for _, i := range open {
			is := chosen[rates[i]]
			rates[i] *= wanted[i] / (1 - wanted[i]) * (1 - is) / is
		}
	}
	return rates
}

// Bounds of the work of Rates, which takes a fraction of a second for a hundred servers.
const (
	maxSteps  = 40
	tolerance = 0.001
	points    = 128 // at which inclusion looks
)

// shares returns for which part of all users each server should be chosen, among n. Those for all
// of them have the rate Always and the share 0, since nothing is left to be decided, and n is what is
// left; the rates of others are their weights.
func shares(weights []float64, n int) (rates, wanted []float64, left int) {
	rates, left = append(rates, weights...), n
	for {
		sum, always := 0.0, false
		for _, r := range rates {
			if r != Always {
				sum += r
			}
		}
		wanted = make([]float64, len(weights))
		next := left
		for i, r := range rates {
			if r == Always || r == 0 {
				continue
			}
			if wanted[i] = float64(left) * r / sum; wanted[i] >= 1-1e-9 {
				rates[i], always = Always, true
				next--
			}
		}
		if left = next; !always {
			return rates, wanted, left
		}
	}
}

// inclusion returns how often server i is among the n best of the open ones: the integral over its
// scores of how often fewer than n others have a better one. The points are spread evenly over the
// logarithms of scores, from where hardly any server has one to where all have.
func inclusion(rates []float64, open []int, i, n int) float64 {
	all, least := 0.0, rates[i]
	for _, j := range open {
		all, least = all+rates[j], min(least, rates[j])
	}
	first, last := math.Log(1e-4/all), math.Log(40/least)
	step := (last - first) / points
	sum := 0.0
	better := make([]float64, n) // better[k] is how often k others have a better score
	for point := range points {
		score := math.Exp(first + (float64(point)+0.5)*step)
		density := rates[i] * score * math.Exp(-rates[i]*score) * step
		clear(better)
		better[0] = density
		for _, j := range open {
			if j == i {
				continue
			}
			p := -math.Expm1(-rates[j] * score)
			for k := n - 1; k > 0; k-- {
				better[k] += (better[k-1] - better[k]) * p
			}
			better[0] -= better[0] * p
		}
		for _, p := range better {
			sum += p
		}
	}
	return sum
}
