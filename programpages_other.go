//go:build !linux

package main

// releaseProgramPages does nothing: how much of a program file is in memory is
// left to this system.
func releaseProgramPages() error { return nil }
