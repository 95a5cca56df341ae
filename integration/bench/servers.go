package main
import "context"
func (b *bench) measureServers(ctx context.Context) error { return nil }
func (b *bench) measureRestart(ctx context.Context) error { return nil }
