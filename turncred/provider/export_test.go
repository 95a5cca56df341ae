package provider

// Len returns how many users are kept.
func (p *PerUser) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(len(p.entries), p.recent.Len())
}
