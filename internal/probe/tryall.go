package probe

import (
	"context"
	"strings"
	"sync"
)

// maxHosts is how many hosts are tried at once.
const maxHosts = 8

// TryAll tries servers with [Try], or with what stands in for it, and returns what
// became of each, in their order. Hosts are tried side by side, the servers of one host
// one after the other: they share the quota of our user. tried is called after each.
func TryAll(ctx context.Context, servers []Server, options Options, tried func()) []Result {
	return tryAll(servers, func(s Server) Result { return Try(ctx, s, options) }, tried)
}

func tryAll(servers []Server, try func(Server) Result, tried func()) []Result {
	byHost := map[string][]int{}
	for i, s := range servers {
		host := strings.ToLower(strings.TrimSuffix(s.Host, "."))
		byHost[host] = append(byHost[host], i)
	}
	results := make([]Result, len(servers))
	slots := make(chan struct{}, maxHosts)
	var tries sync.WaitGroup
	for _, indexes := range byHost {
		tries.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for _, i := range indexes {
				results[i] = try(servers[i])
				tried()
			}
		})
	}
	tries.Wait()
	return results
}
