package relay

import (
	"bufio"
	"encoding/binary"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
)

// testPolicy is that of a relay at 198.18.0.5, which is known as 9.9.9.1 and 2a00::1,
// in networks of its own, where an allocation has port 50000.
func testPolicy(t testing.TB, allow ...string) *policy {
	t.Helper()
	interfaces := []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("198.18.0.5/24"),
		netip.MustParsePrefix("9.9.8.7/24"), netip.MustParsePrefix("2a00::1/64"),
	}
	known, err := places([]PublicIP{
		{Public: netip.MustParseAddr("9.9.9.1"), Local: netip.MustParseAddr("198.18.0.5")},
		{Public: netip.MustParseAddr("2a00::1")},
	}, interfaces, portRange{49152, 65535})
	if err != nil {
		t.Fatal(err)
	}
	own, isolated := ownAddrs(interfaces, known)
	p := &policy{own: own, isolated: isolated, known: map[netip.Addr]bool{}, relayed: func(ap netip.AddrPort) bool { return ap.Port() == 50000 }}
	for _, k := range known {
		p.known[k.public] = true
	}
	for _, text := range allow {
		peer, err := ParsePeer(text)
		if err != nil {
			t.Fatal(err)
		}
		p.allow = append(p.allow, peer)
	}
	return p
}

func TestWhereItRelaysTo(t *testing.T) {
	for name, c := range map[string]struct {
		peer  string
		allow []string
		want  bool
	}{
		"public":                            {peer: "8.8.4.4:9", want: true},
		"public IPv6":                       {peer: "[2a01:4f8::1]:9", want: true},
		"public, mapped into IPv6":          {peer: "[::ffff:8.8.4.4]:9", want: true},
		"port 0":                            {peer: "8.8.4.4:0"},
		"this host":                         {peer: "0.0.0.0:9"},
		"this network":                      {peer: "0.1.2.3:9"},
		"unspecified IPv6":                  {peer: "[::]:9"},
		"loopback":                          {peer: "127.0.0.1:9"},
		"other loopback":                    {peer: "127.1.2.3:9"},
		"loopback IPv6":                     {peer: "[::1]:9"},
		"loopback, mapped":                  {peer: "[::ffff:127.0.0.1]:9"},
		"loopback, mapped, in hex":          {peer: "[::ffff:7f00:1]:9"},
		"loopback, compatible":              {peer: "[::127.0.0.1]:9"},
		"loopback, translated":              {peer: "[::ffff:0:7f00:1]:9"},
		"loopback, NAT64":                   {peer: "[64:ff9b::7f00:1]:9"},
		"loopback, local NAT64":             {peer: "[64:ff9b:1::7f00:1]:9"},
		"loopback, 6to4":                    {peer: "[2002:7f00:1::1]:9"},
		"loopback, Teredo":                  {peer: "[2001:0:1::80ff:fffe]:9"},
		"loopback, ISATAP":                  {peer: "[2a01::5efe:7f00:1]:9"},
		"loopback, ISATAP, global bit":      {peer: "[2a01::200:5efe:7f00:1]:9"},
		"public, NAT64":                     {peer: "[64:ff9b::808:404]:9"},
		"public, 6to4":                      {peer: "[2002:808:404::1]:9"},
		"private 10":                        {peer: "10.1.2.3:9"},
		"private 172":                       {peer: "172.31.255.255:9"},
		"beside private 172":                {peer: "172.32.0.1:9", want: true},
		"private 192":                       {peer: "192.168.1.1:9"},
		"private, mapped":                   {peer: "[::ffff:10.0.0.1]:9"},
		"private, NAT64":                    {peer: "[64:ff9b::a00:1]:9"},
		"private, 6to4":                     {peer: "[2002:a00:1::]:9"},
		"unique local":                      {peer: "[fd12::1]:9"},
		"carrier-grade NAT":                 {peer: "100.64.0.1:9"},
		"link-local":                        {peer: "169.254.1.1:9"},
		"link-local IPv6":                   {peer: "[fe80::1]:9"},
		"link-local IPv6 with a zone":       {peer: "[fe80::1%1]:9"},
		"site-local":                        {peer: "[fec0::1]:9"},
		"metadata":                          {peer: "169.254.169.254:80"},
		"metadata, mapped":                  {peer: "[::ffff:a9fe:a9fe]:80"},
		"metadata, NAT64":                   {peer: "[64:ff9b::a9fe:a9fe]:80"},
		"metadata, 6to4":                    {peer: "[2002:a9fe:a9fe::]:80"},
		"metadata of Alibaba":               {peer: "100.100.100.200:80"},
		"metadata of Azure":                 {peer: "168.63.129.16:80"},
		"metadata of Azure, ISATAP":         {peer: "[2a01::5efe:a83f:8110]:80"},
		"metadata of Oracle":                {peer: "192.0.0.192:80"},
		"metadata of AWS over IPv6":         {peer: "[fd00:ec2::254]:80"},
		"metadata of Google over IPv6":      {peer: "[fd20:ce::254]:80"},
		"documentation":                     {peer: "203.0.113.1:9"},
		"documentation IPv6":                {peer: "[2001:db8::1]:9"},
		"benchmarking":                      {peer: "198.19.0.1:9"},
		"multicast":                         {peer: "224.0.0.251:5353"},
		"multicast IPv6":                    {peer: "[ff02::fb]:5353"},
		"reserved":                          {peer: "250.1.1.1:9"},
		"broadcast":                         {peer: "255.255.255.255:9"},
		"broadcast of an own network":       {peer: "9.9.8.255:9"},
		"begin of an own network":           {peer: "9.9.8.0:9"},
		"neighbour in an own network":       {peer: "9.9.8.1:9", want: true},
		"own address, a service":            {peer: "9.9.9.1:22"},
		"own address, a relay port, free":   {peer: "9.9.9.1:50001"},
		"own address, an allocation":        {peer: "9.9.9.1:50000", want: true},
		"own address, mapped, allocation":   {peer: "[::ffff:9.9.9.1]:50000", want: true},
		"own IPv6 address, a service":       {peer: "[2a00::1]:22"},
		"own IPv6 address, an allocation":   {peer: "[2a00::1]:50000", want: true},
		"own address without relay":         {peer: "9.9.8.7:50000"},
		"own private address":               {peer: "198.18.0.5:50000"},
		"own address, NAT64":                {peer: "[64:ff9b::909:901]:50000"},
		"allowed network":                   {peer: "10.1.2.3:9", allow: []string{"10.0.0.0/8"}, want: true},
		"allowed address":                   {peer: "10.0.0.5:9", allow: []string{"10.0.0.5"}, want: true},
		"beside an allowed address":         {peer: "10.0.0.6:9", allow: []string{"10.0.0.5"}},
		"allowed port":                      {peer: "10.0.0.5:10000", allow: []string{"10.0.0.5:10000"}, want: true},
		"beside an allowed port":            {peer: "10.0.0.5:10001", allow: []string{"10.0.0.5:10000"}},
		"allowed, mapped":                   {peer: "[::ffff:10.0.0.5]:9", allow: []string{"10.0.0.5"}, want: true},
		"allowed through NAT64":             {peer: "[64:ff9b::808:404]:9", allow: []string{"64:ff9b::/96"}, want: true},
		"private through allowed NAT64":     {peer: "[64:ff9b::a00:5]:9", allow: []string{"64:ff9b::/96"}},
		"metadata through allowed NAT64":    {peer: "[64:ff9b::a9fe:a9fe]:80", allow: []string{"64:ff9b::/96", "169.254.0.0/16"}},
		"everything allowed: loopback":      {peer: "127.0.0.1:9", allow: []string{"0.0.0.0/0", "::/0"}},
		"everything allowed: metadata":      {peer: "169.254.169.254:80", allow: []string{"0.0.0.0/0", "::/0"}},
		"everything allowed: Azure":         {peer: "168.63.129.16:80", allow: []string{"0.0.0.0/0", "::/0"}},
		"everything allowed: own service":   {peer: "9.9.9.1:22", allow: []string{"0.0.0.0/0", "::/0"}},
		"everything allowed: multicast":     {peer: "224.0.0.251:5353", allow: []string{"0.0.0.0/0", "::/0"}},
		"everything allowed: this host":     {peer: "0.0.0.0:9", allow: []string{"0.0.0.0/0", "::/0"}},
		"everything allowed: private":       {peer: "192.168.1.1:9", allow: []string{"0.0.0.0/0", "::/0"}, want: true},
		"everything allowed: own broadcast": {peer: "9.9.8.255:9", allow: []string{"0.0.0.0/0"}},
		"own address named with a port":     {peer: "9.9.9.1:10000", allow: []string{"9.9.9.1:10000"}, want: true},
		"own address named, another port":   {peer: "9.9.9.1:22", allow: []string{"9.9.9.1:10000"}},
		"own address named, an allocation":  {peer: "9.9.9.1:50000", allow: []string{"9.9.9.1:10000"}, want: true},
		"own address named":                 {peer: "9.9.9.1:22", allow: []string{"9.9.9.1"}, want: true},
		"loopback named with a port":        {peer: "127.0.0.1:10000", allow: []string{"127.0.0.1:10000"}, want: true},
		"loopback named, another port":      {peer: "127.0.0.1:22", allow: []string{"127.0.0.1:10000"}},
		"multicast named":                   {peer: "224.0.0.251:5353", allow: []string{"224.0.0.251"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPolicy(t, c.allow...)
			peer := netip.MustParseAddrPort(c.peer)
			peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
			if got := p.permits(p.judge(peer.Addr()), peer); got != c.want {
				t.Errorf("permits(%s) = %t", c.peer, got)
			}
		})
	}
}

// deniedRanges returns the ranges of denied-peer-ip lines.
func deniedRanges(t *testing.T, text string) [][2]netip.Addr {
	t.Helper()
	var ranges [][2]netip.Addr
	lines := bufio.NewScanner(strings.NewReader(text))
	line := regexp.MustCompile(`^denied-peer-ip=([^-\s]+)(?:-(\S+))?$`)
	for lines.Scan() {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			if m[2] == "" {
				m[2] = m[1]
			}
			ranges = append(ranges, [2]netip.Addr{netip.MustParseAddr(m[1]), netip.MustParseAddr(m[2])})
		}
	}
	return ranges
}

// jitsiDenied is what Jitsi's own coturn denies.
const jitsiDenied = `
denied-peer-ip=0.0.0.0-0.255.255.255
denied-peer-ip=10.0.0.0-10.255.255.255
denied-peer-ip=100.64.0.0-100.127.255.255
denied-peer-ip=127.0.0.0-127.255.255.255
denied-peer-ip=169.254.0.0-169.254.255.255
denied-peer-ip=172.16.0.0-172.31.255.255
denied-peer-ip=192.0.0.0-192.0.0.255
denied-peer-ip=192.0.2.0-192.0.2.255
denied-peer-ip=192.88.99.0-192.88.99.255
denied-peer-ip=192.168.0.0-192.168.255.255
denied-peer-ip=198.18.0.0-198.19.255.255
denied-peer-ip=198.51.100.0-198.51.100.255
denied-peer-ip=203.0.113.0-203.0.113.255
denied-peer-ip=240.0.0.0-255.255.255.255
denied-peer-ip=::1
denied-peer-ip=64:ff9b::-64:ff9b::ffff:ffff
denied-peer-ip=::ffff:0.0.0.0-::ffff:255.255.255.255
denied-peer-ip=100::-100::ffff:ffff:ffff:ffff
denied-peer-ip=2001::-2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=2002::-2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
denied-peer-ip=fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff
`

func TestDeniesWhatCoturnIsToldToDeny(t *testing.T) {
	example, err := os.ReadFile("../../contrib/turnserver.conf.example")
	if err != nil {
		t.Fatal(err)
	}
	p := testPolicy(t)
	for name, text := range map[string]string{"contrib/turnserver.conf.example": string(example), "Jitsi": jitsiDenied} {
		ranges := deniedRanges(t, text)
		if len(ranges) < 20 {
			t.Fatalf("%s: only %d ranges found", name, len(ranges))
		}
		for _, ends := range ranges {
			// A mapped range stands for all of IPv4, of which the public part is open.
			if ends[0].Is4In6() {
				continue
			}
			for _, addr := range []netip.Addr{ends[0], ends[1], middle(ends[0], ends[1])} {
				if p.judge(addr) != denied {
					t.Errorf("%s denies %s-%s, but the relay reaches %s", name, ends[0], ends[1], addr)
				}
			}
		}
	}
}

// middle returns an address between two.
func middle(a, b netip.Addr) netip.Addr {
	if a.Is4() {
		x, y := a.As4(), b.As4()
		low, high := binary.BigEndian.Uint32(x[:]), binary.BigEndian.Uint32(y[:])
		binary.BigEndian.PutUint32(x[:], low+(high-low)/2)
		return netip.AddrFrom4(x)
	}
	x, y := a.As16(), b.As16()
	low, high := binary.BigEndian.Uint64(x[:]), binary.BigEndian.Uint64(y[:])
	binary.BigEndian.PutUint64(x[:], low+(high-low)/2)
	if low == high {
		low, high = binary.BigEndian.Uint64(x[8:]), binary.BigEndian.Uint64(y[8:])
		binary.BigEndian.PutUint64(x[8:], low+(high-low)/2)
	}
	return netip.AddrFrom16(x)
}

func TestParsePeer(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.5": "10.0.0.5", "10.0.0.5/8": "10.0.0.0/8", "10.0.0.5:10000": "10.0.0.5:10000", "2001:db8::5": "2001:db8::5",
		"[2001:db8::5]:10000": "[2001:db8::5]:10000", "fd00::/8": "fd00::/8", "::ffff:10.0.0.5": "10.0.0.5",
		"": "", "example.org": "", "10.0.0.5:0": "", "10.0.0.0/33": "", "fe80::1%eth0": "", "::ffff:10.0.0.0/104": "", "10.0.0.0/8:53": "",
	} {
		got, err := ParsePeer(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("ParsePeer(%q) = %s, %v, want %s", text, got, err, want)
		}
	}
}

// FuzzJudge checks that no spelling of an address gets around what its plain form
// is denied.
func FuzzJudge(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{169, 254, 169, 254})
	f.Add([]byte{9, 9, 9, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 {
			return
		}
		p := testPolicy(t)
		plain := netip.AddrFrom4([4]byte(b[:4]))
		v4 := plain.As4()
		spellings := []string{"::ffff:", "64:ff9b::", "::", "::ffff:0:", "64:ff9b:1::", "2a01::5efe:", "2a01::200:5efe:"}
		for _, prefix := range spellings {
			addr, err := netip.ParseAddr(prefix + plain.String())
			if err != nil {
				t.Fatal(err)
			}
			if p.judge(plain) == denied && p.judge(addr) != denied {
				t.Errorf("%s is denied, %s is not", plain, addr)
			}
		}
		sixToFour := netip.AddrFrom16([16]byte{0x20, 0x02, v4[0], v4[1], v4[2], v4[3], 15: 1})
		if p.judge(sixToFour) != denied {
			t.Errorf("%s is not denied", sixToFour)
		}
	})
}
