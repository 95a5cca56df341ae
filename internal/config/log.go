package config

import (
	"log/slog"
)

// Log is [log].
type Log struct {
	Level  slog.Level // default: info
	Format string     // "text" (the default) or "json"
	Audit  bool       // whether each credential that is issued gets a line; default: false
}

func readLog(t *table) Log {
	defer t.unknown()
	var level slog.Level
	if err := level.UnmarshalText([]byte(t.oneOf("level", "info", "debug", "warn", "error"))); err != nil {
		level = slog.LevelInfo // the fault is reported already
	}
	cfg := Log{Level: level, Format: t.oneOf("format", "text", "json"), Audit: t.bool("audit")}
	if cfg.Audit && cfg.Level > slog.LevelInfo {
		t.warn("audit", "is true, but its lines have the level info, which log.level suppresses; set level to \"info\"")
	}
	return cfg
}
