// Package xmltext escapes text for XML that is written by hand, as XMPP replies
// are here: appending a stanza to a buffer costs a tenth of running it through an
// encoder.
package xmltext

import (
	"strings"
	"unicode/utf8"
)

// escapes has what replaces a byte inside a quoted attribute value. Line breaks
// and tabs are escaped because a parser may turn them into spaces (XML 1.0
// §3.3.3), which would change the id of a stanza. A greater-than sign needs no
// escape.
var escapes = [256]string{
	'&': "&amp;", '<': "&lt;", '\'': "&#39;", '"': "&#34;",
	'\t': "&#9;", '\n': "&#10;", '\r': "&#13;",
}

// AppendAttr appends value to dst, escaped for use between quotes of either
// kind. Characters that XML 1.0 cannot carry become U+FFFD.
func AppendAttr[T string | []byte](dst []byte, value T) []byte {
	done, i := 0, 0
	for i < len(value) && plain[value[i]] {
		i++
	}
	for i < len(value) {
		c := value[i]
		if c >= utf8.RuneSelf {
			r, size := decodeRune(value[i:])
			if !isChar(r) || r == utf8.RuneError && size == 1 {
				dst = append(dst, value[done:i]...)
				dst = append(dst, "\uFFFD"...)
				done = i + size
			}
			i += size
			continue
		}
		if escape := escapes[c]; escape != "" || c < ' ' {
			if escape == "" {
				escape = "\uFFFD"
			}
			dst = append(dst, value[done:i]...)
			dst = append(dst, escape...)
			done = i + 1
		}
		i++
	}
	return append(dst, value[done:]...)
}

// AppendText appends value to dst, escaped for use between tags. It is escaped like
// an attribute value, and a greater-than sign as well, since "]]>" must not stand
// in text (XML 1.0 §2.4).
func AppendText(dst []byte, value string) []byte {
	for {
		before, after, found := strings.Cut(value, ">")
		dst = AppendAttr(dst, before)
		if !found {
			return dst
		}
		dst, value = append(dst, "&gt;"...), after
	}
}

// IsValid reports whether XML 1.0 can carry every character of value (§2.2).
func IsValid(value string) bool {
	for i, r := range value {
		if !isChar(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(value[i:]); size == 1 {
				return false
			}
		}
	}
	return true
}

func decodeRune[T string | []byte](value T) (rune, int) {
	// utf8.UTFMax bytes at most are converted, which the compiler keeps on the
	// stack.
	return utf8.DecodeRuneInString(string(value[:min(len(value), utf8.UTFMax)]))
}

func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		' ' <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= 0x10FFFF
}
