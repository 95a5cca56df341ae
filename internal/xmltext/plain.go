package xmltext

// plain has the bytes that need no escape between quotes, neither when they are read
// nor when [AppendAttr] writes them: ASCII from the space on, without quotes, '&'
// and '<'.
var plain = func() (table [256]bool) {
	for c := ' '; c < 0x80; c++ {
		table[c] = c != '\'' && c != '"' && c != '&' && c != '<'
	}
	return table
}()

// PlainValue returns the length of the quoted value that b begins with, quotes
// included, if nothing in it is escaped or needs to be, and 0 otherwise. Every XML
// parser reads such a value as it stands, and it can be written into an attribute
// as it is.
func PlainValue(b []byte) int {
	if len(b) < len("''") || b[0] != '\'' && b[0] != '"' {
		return 0
	}
	i := 1
	for i < len(b) && plain[b[i]] {
		i++
	}
	if i == len(b) || b[i] != b[0] {
		return 0
	}
	return i + 1
}
