package relay

import "net/netip"

// Datagrams are read into buffers with room in front of them, in which the header
// for a client is written.

// gotDatagram is told of the n bytes behind the headroom of buf, which are good until
// it returns, and says whether reading is to stop.
type gotDatagram func(buf []byte, n int, from netip.AddrPort) (stop bool)

// maxDatagram is the longest datagram that is taken: what passes through Ethernet,
// and some room.
const maxDatagram = 2000
