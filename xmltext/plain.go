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

// nameByte has the bytes of the names that XMPP gives to attributes.
var nameByte = func() (table [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		table[c] = true
	}
	table[':'] = true
	return table
}()

// PlainAttr reads the attribute that b begins with, if it is written as most
// software writes it: one blank, the name in lower case, an equals sign, and in
// quotes a value of characters that stand for themselves. Such a value means what
// it says, and can be written into an attribute as it is. It returns the length of
// all that, or 0 if the attribute is of another form, or there is none.
//
// What it reads, with a name that makes sense, an XML parser takes too, and
// understands in the same way; most of what it does not read is XML all the same.
func PlainAttr(b []byte) (name, value []byte, n int) {
	if len(b) == 0 || b[0] != ' ' {
		return nil, nil, 0
	}
	i := 1
	for i < len(b) && nameByte[b[i]] {
		i++
	}
	name = b[1:i]
	if len(name) == 0 || len(b)-i < len("=''") || b[i] != '=' {
		return nil, nil, 0
	}
	quote := b[i+1]
	i += len("='")
	begin := i
	for i < len(b) && plain[b[i]] {
		i++
	}
	if i == len(b) || b[i] != quote || quote != '\'' && quote != '"' {
		return nil, nil, 0
	}
	return name, b[begin:i], i + 1
}
