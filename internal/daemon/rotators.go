package daemon

import (
	"log/slog"
	"sync"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/rotation"
)

// rotationWait is how long a start waits for the first secret of a database, where none is known.
const rotationWait = 3 * time.Second

// rotators own the rotations of a configuration: one for each database and realm.
type rotators struct {
	log     *slog.Logger
	changed chan struct{} // has something when other secrets are in use than before

	mu   sync.Mutex // guards list, which others read for the page
	list []rotator
}

type rotator struct {
	*rotation.Rotator
	cfg rotation.Config
}

func newRotators(log *slog.Logger) *rotators {
	return &rotators{log: log, changed: make(chan struct{}, 1)}
}

// use has the secrets rotated that the configuration says. Rotations that stay as they are
// go on.
func (r *rotators) use(cfg *config.Config) {
	var next, fresh []rotator
	for _, s := range cfg.ICEServers {
		if s.Rotation == nil || find(next, *s.Rotation) != nil {
			continue
		}
		if old := find(r.list, *s.Rotation); old != nil {
			next = append(next, *old)
			continue
		}
		started, err := rotation.New(*s.Rotation, r.log.With("config", s.Key), time.Now, r.wake)
		if err != nil { // which reading the configuration has ruled out
			r.log.Error("cannot rotate a secret", "config", s.Key, "err", err.Error())
			continue
		}
		started.Start()
		next, fresh = append(next, rotator{started, *s.Rotation}), append(fresh, rotator{started, *s.Rotation})
	}
	r.mu.Lock()
	before := r.list
	r.list = next
	r.mu.Unlock()
	for _, old := range before {
		if find(next, old.cfg) == nil {
			old.Close()
		}
	}
	awaitFirst(fresh)
}

// awaitFirst waits until the first secrets are known, or the databases have had their time.
func awaitFirst(fresh []rotator) {
	late := time.NewTimer(rotationWait)
	defer late.Stop()
	for _, one := range fresh {
		if !one.Keys().Current.IsEmpty() {
			continue
		}
		select {
		case <-one.First():
		case <-late.C:
			return
		}
	}
}

func find(list []rotator, cfg rotation.Config) *rotator {
	for i := range list {
		if list[i].cfg.Equal(cfg) {
			return &list[i]
		}
	}
	return nil
}

// wake says that other secrets are in use.
func (r *rotators) wake() {
	select {
	case r.changed <- struct{}{}:
	default: // it has been said
	}
}

// keys returns the secrets of a rotation.
func (r *rotators) keys(cfg rotation.Config) rotation.Keys {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := find(r.list, cfg); one != nil {
		return one.Keys()
	}
	return rotation.Keys{}
}

// status returns how a rotation is doing; false where there is none.
func (r *rotators) status(cfg rotation.Config) (rotation.Status, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := find(r.list, cfg); one != nil {
		return one.Status(), true
	}
	return rotation.Status{}, false
}

// look has all databases looked at now.
func (r *rotators) look() {
	for _, one := range r.list {
		one.Look()
	}
}

// close ends all rotations.
func (r *rotators) close() { r.use(&config.Config{}) }
