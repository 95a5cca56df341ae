// Package setup finds the XMPP server, Jitsi Meet and the TURN server of a machine, and
// writes what extdisco needs: its configuration, its secrets, one file for Prosody and the
// module in it. Everything that is written can be put back.
package setup

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Options are what the caller knows.
type Options struct {
	Root string // the tree to work on; "/" for this machine

	Domains       []string // of the XMPP server; default: what Jitsi Meet is set up for, or the only one
	Component     string   // our address; default: "turn." and the first domain
	Server        string   // HOST:PORT where the XMPP server accepts components
	Link          string   // the name of the component to set up, where a configuration is there and has several
	Allow         []string // who is served, besides the domains and the hosts below them
	TURNServers   []string // ICE URIs; default: what is found
	Relay         bool     // our own relay instead of a TURN server
	PublicIP      []string // what the Internet knows the relay by; default: this machine's public addresses
	TURNHost      string   // the name of the TURN server, where its configuration does not say, or of the relay
	SecretFile    string   // a file with the TURN shared secret, on this machine
	ProsodyConfig string   // default: /etc/prosody/prosody.cfg.lua
	ModuleDir     string   // where the module goes; default: the first of plugin_paths
	Docker        string   // the folder of docker-jitsi-meet; "" for none
	DockerConfig  string   // its configuration, ${CONFIG}; default: what .env says
	Home          string   // what ~ stands for in .env
	RemoveOld     bool     // comment the old list out

	ConfigExample string         // the config.toml that packages install
	Interfaces    []netip.Prefix // of this machine; nil means that the system is asked
	Random        io.Reader
	Now           time.Time
}

// setup is one look at a tree.
type setup struct {
	options Options
	tree    tree
}

// Line is something that was found, for people to read.
type Line struct{ What, Found string }

// Plan is what was found and what is to be written.
type Plan struct {
	Found    []Line
	Remarks  []string // what needs attention, one sentence each
	Domain   string   // whose users are served, the first one
	IsJitsi  bool     // whether the domain is Jitsi Meet's
	Prosody  string   // its configuration; "" where there is none
	Config   string   // our configuration, on this machine
	Ejabberd string   // what to add to ejabberd.yml; "" where there is none
	Docker   string   // the folder of docker-jitsi-meet; "" for none
	Relay    bool     // whether our own relay is set up
	Changes  []change

	webSocket string // where browsers connect, with Docker
	store     store
}

// Find looks at the tree and plans what to write. It changes nothing. The error says what
// is missing and which flag supplies it.
func Find(options Options) (*Plan, error) {
	if options.Root == "" {
		options.Root = "/"
	}
	for _, name := range []*string{&options.ProsodyConfig, &options.ModuleDir, &options.Docker, &options.DockerConfig} {
		if *name == "" || strings.HasPrefix(*name, "~/") {
			continue
		}
		var err error
		if *name, err = filepath.Abs(*name); err != nil {
			return nil, err
		}
	}
	s := &setup{options: options, tree: tree{options.Root}}
	plan := &Plan{store: store{tree: s.tree}}
	j, err := plan.store.read()
	if err != nil {
		return nil, err
	}
	if j.interrupted() {
		return nil, ErrInterrupted
	}
	if options.Docker != "" {
		return plan, s.planDocker(plan)
	}
	return plan, s.planMachine(plan)
}

// ErrInterrupted is that an earlier run has not come to its end.
var ErrInterrupted = fmt.Errorf("an earlier run of setup was interrupted")

// TakeBack takes back what an interrupted run has changed.
func TakeBack(root string) error {
	s := store{tree: tree{root}}
	j, err := s.read()
	if err != nil || !j.interrupted() {
		return err
	}
	if err := s.changedSince(j.Runs[len(j.Runs)-1:]); err != nil {
		return err
	}
	return s.takeBackLast(j)
}

// Apply makes the changes. When one fails, those before it are taken back.
func (p *Plan) Apply() error { return p.store.apply(p.Changes) }

// TakeBack takes back what Apply has changed, and nothing of earlier runs.
func (p *Plan) TakeBack() error {
	j, err := p.store.read()
	if err != nil {
		return err
	}
	return p.store.takeBackLast(j)
}

// Journaled returns the files that setup has written, in order.
func Journaled(root string) ([]string, error) {
	j, err := store{tree: tree{root}}.read()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, r := range j.Runs {
		for _, e := range r.Entries {
			name := change{file: e.File}.shownAs()
			if !e.IsFolder && !slices.Contains(files, name) {
				files = append(files, name)
			}
		}
	}
	return files, nil
}

// Undo puts everything back as it was before the first setup.
func Undo(root string) error {
	s := store{tree: tree{root}}
	j, err := s.read()
	if err != nil {
		return err
	}
	return s.undo(j)
}

// resolve returns the name of a file that is to be changed, without symbolic links.
func (s *setup) resolve(name string) (string, error) {
	resolved, err := s.tree.resolve(name)
	if err == nil && !utf8.ValidString(resolved) {
		err = fmt.Errorf("%q: the name of this file is not UTF-8, and setup could not put the file back; rename it", resolved)
	}
	return resolved, err
}

// newFile plans a file of ours, and the folders that it needs. A file that holds the same
// already is no change.
func (s *setup) newFile(p *Plan, file string, content []byte, mode fs.FileMode, o owner) error {
	resolved, err := s.resolve(file)
	if err != nil {
		return err
	}
	if !s.tree.exists(file) {
		if err := s.newFolder(p, path.Dir(resolved), 0o755, o); err != nil {
			return err
		}
		p.Changes = append(p.Changes, change{file: resolved, content: content, mode: mode, owner: o, isNew: true})
		return nil
	}
	return s.replace(p, file, content, func(c *change, _ fs.FileInfo) { c.mode, c.owner = mode, o })
}

// editFile plans to change a file of somebody else, which keeps its owner and mode. shown is
// what it holds now, without secrets.
func (s *setup) editFile(p *Plan, file, content, shown string) error {
	return s.replace(p, file, []byte(content), func(c *change, info fs.FileInfo) {
		c.mode, c.owner, c.shown = info.Mode().Perm(), ownerOf(info), shown
	})
}

// replace plans to replace a file. complete adds to the change who may read the file, and
// may change what is shown of it.
func (s *setup) replace(p *Plan, file string, content []byte, complete func(*change, fs.FileInfo)) error {
	resolved, err := s.resolve(file)
	if err != nil {
		return err
	}
	info, err := s.tree.stat(file)
	if err != nil {
		return shortError(file, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file; move it away", file)
	}
	old, err := s.tree.read(file)
	if err != nil || bytes.Equal(old, content) {
		return err
	}
	c := change{file: resolved, content: content, old: old, shown: string(old)}
	if s.isExample(c.shown) {
		c.shown = "" // long, and nobody's work
	}
	complete(&c, info)
	p.Changes = append(p.Changes, c)
	return nil
}

// newFolder plans a folder and those above it.
func (s *setup) newFolder(p *Plan, folder string, mode fs.FileMode, o owner) error {
	resolved, err := s.resolve(folder)
	if err != nil || s.tree.exists(resolved) {
		return err
	}
	if slices.ContainsFunc(p.Changes, func(c change) bool { return c.isFolder && c.file == resolved }) {
		return nil
	}
	if err := s.newFolder(p, path.Dir(resolved), 0o755, o); err != nil {
		return err
	}
	p.Changes = append(p.Changes, change{file: resolved, isFolder: true, isNew: true, mode: mode, owner: o})
	return nil
}
