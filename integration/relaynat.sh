#!/bin/sh
# A relay behind a NAT that maps addresses one to one: a client at 203.0.113.9, the
# NAT at 203.0.113.5 and 10.0.0.1, the relay at 10.0.0.5, each in a network namespace.
# Then the same with a configuration of extdisco, which is probed beside the relay.
#
#	unshare --map-root-user --net relaynat.sh RELAYSERVER EXTDISCO CONFIG
set -eu
ip link set lo up
unshare --net sleep 120 &
relay=$!
unshare --net sleep 120 &
client=$!
server=
peer=
trap 'kill $relay $client $server $peer 2>/dev/null || true' EXIT
for pid in $relay $client; do
	while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
done
in_relay() { nsenter --target $relay --net "$@"; }
in_client() { nsenter --target $client --net "$@"; }

ip link add inside type veth peer name eth0 netns $relay
ip link add outside type veth peer name eth0 netns $client
ip addr add 10.0.0.1/24 dev inside
ip addr add 203.0.113.5/24 dev outside
ip link set inside up
ip link set outside up
in_relay ip addr add 10.0.0.5/24 dev eth0
in_relay ip link set lo up
in_relay ip link set eth0 up
in_relay ip route add default via 10.0.0.1
in_client ip addr add 203.0.113.9/24 dev eth0
in_client ip link set lo up
in_client ip link set eth0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
nft -f - <<'END'
table ip nat {
	chain in { type nat hook prerouting priority dstnat; iifname "outside" ip daddr 203.0.113.5 dnat to 10.0.0.5; }
	chain out { type nat hook postrouting priority srcnat; oifname "outside" ip saddr 10.0.0.5 snat to 203.0.113.5; }
}
END

# Not by the functions, whose process would be a shell's.
nsenter --target $relay --net "$1" :3478 203.0.113.5 203.0.113.0/24 50000 59999 of-this-test &
server=$!
nsenter --target $client --net turnutils_peer -p 3480 -L 203.0.113.9 &
peer=$!
until in_client timeout 1 turnutils_stunclient 203.0.113.5 >/dev/null 2>&1; do sleep 0.1; done
for mode in "-y -c" "-y -c -s" "-y -c -t" "-c -e 203.0.113.9"; do
	echo "mode $mode"
	in_client timeout 40 turnutils_uclient $mode -n 20 -m 2 -z 5 -u juliet -W of-this-test 203.0.113.5
done
kill $server
wait $server || true

nsenter --target $relay --net "$2" serve --config "$3" &
server=$!
until in_client timeout 1 turnutils_stunclient 203.0.113.5 >/dev/null 2>&1; do sleep 0.1; done
probe() {
	echo "probe $1"
	in_relay "$2" probe --timeout 2s --config "$3" || echo "status $?"
}
probe "without hairpin" "$2" "$3"
nft add rule ip nat in iifname "inside" ip daddr 203.0.113.5 dnat to 10.0.0.5
nft add rule ip nat out oifname "inside" ip saddr 10.0.0.5 ip daddr 10.0.0.5 snat to 203.0.113.5
probe "with hairpin" "$2" "$3"
nft flush chain ip nat in
kill $server
wait $server || true
probe "without the relay" "$2" "$3"
