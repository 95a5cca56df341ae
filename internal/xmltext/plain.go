package xmltext

// plain has the bytes that stand for themselves between quotes, both where they
// are read and where [AppendAttr] writes them: ASCII from the blank on, without
// quotes, '&' and '<'.
var plain = func() (table [256]bool) {
	for c := ' '; c < 0x80; c++ {
		table[c] = c != '\'' && c != '"' && c != '&' && c != '<'
	}
	return table
}()

// PlainValue returns the length of the value, with its quotes, that b begins with,
// if all of it stands for itself, and 0 otherwise. Such a value means what it says
// to every XML parser, and can be written into an attribute as it is.
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
