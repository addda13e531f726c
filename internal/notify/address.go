package notify

import (
	"fmt"
	"net/netip"
	"syscall"
)

// notPublic are the blocks that are not, or not surely, somebody's on the Internet, from the special-purpose address registries of IANA. Of IPv6
// only 2000::/3 is handed out at all; what translates or tunnels to IPv4 is left out, since it may end anywhere.
var notPublic = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}

var handedOut = netip.MustParsePrefix("2000::/3")

func public(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if address.Is6() && !handedOut.Contains(address) {
		return false
	}
	for _, block := range notPublic {
		if block.Contains(address) {
			return false
		}
	}
	return true
}

// onlyPublic refuses connections to other addresses than public ones. A dialer calls it with the address that it is about to connect to, after
// the name was resolved: an answer of the DNS that changes in between cannot lead it elsewhere.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !public(to.Addr()) {
		return fmt.Errorf("its address %s is not a public one (allowPrivate of the webhook allows it); %w", address, errFinal)
	}
	return nil
}

// onlyLoopback refuses connections to other machines.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("its address %s is not of this machine, and security is none", address)
	}
	return nil
}
