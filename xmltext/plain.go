package xmltext

// plain has the bytes that stand for themselves between quotes, both where they
// are read and where [AppendAttr] writes them: printable ASCII without quotes,
// '&' and '<'.
var plain = func() (table [256]bool) {
	for c := ' '; c <= '~'; c++ {
		table[c] = c != '\'' && c != '"' && c != '&' && c != '<'
	}
	return table
}()

// nameByte has the bytes of the names that XMPP gives to attributes.
var nameByte = func() (table [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		table[c] = true
	}
	table[':'] = true
	return table
}()

// CutPlainAttr reads the attribute that b begins with, if it is written as most
// software writes it: one blank, the name in lower case, an equals sign, and in
// quotes a value of characters that stand for themselves. Such a value means what
// it says, and can be written into an attribute as it is. What is ok here an XML
// parser takes too, and understands in the same way; most of what is not ok is
// XML all the same.
func CutPlainAttr(b []byte) (name, value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != ' ' {
		return nil, nil, b, false
	}
	i := 1
	for i < len(b) && nameByte[b[i]] {
		i++
	}
	name = b[1:i]
	if len(name) == 0 || len(b)-i < len("=''") || b[i] != '=' {
		return nil, nil, b, false
	}
	quote := b[i+1]
	value = b[i+2:]
	n := 0
	for n < len(value) && plain[value[n]] {
		n++
	}
	if n == len(value) || value[n] != quote || quote != '\'' && quote != '"' {
		return nil, nil, b, false
	}
	return name, value[:n], value[n+1:], true
}
