package catalogue

import (
	"strings"
	"unicode"
)

// like tells whether a name matches a pattern of LIKE, small and capital letters alike: % is any text, _ any letter, [a-z] one of a set, [^a-z] none of it.
// A \ before %, _, [ and itself takes their meaning away, as drivers write search patterns for ODBC and JDBC.
func like(name, pattern string) bool {
	return matches([]rune(fold(name)), []rune(fold(pattern)))
}

func fold(text string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, strings.TrimRight(text, " "))
}

// matches goes through the pattern once, and back to the last % only, so that its time is bounded by the product of the lengths.
func matches(name, pattern []rune) bool {
	star, resume := -1, 0 // behind the last %, and where in the name it was tried
	n, p := 0, 0
	for n < len(name) || p < len(pattern) {
		if p < len(pattern) && pattern[p] == '%' {
			p++
			star, resume = p, n
			continue
		}
		if n < len(name) && p < len(pattern) {
			if length, ok := one(name[n], pattern[p:]); ok {
				n, p = n+1, p+length
				continue
			}
		}
		if star < 0 || resume >= len(name) {
			return false
		}
		resume++
		n, p = resume, star
	}
	return true
}

// one matches a letter with the beginning of a pattern, and tells how long that is.
func one(letter rune, pattern []rune) (length int, ok bool) {
	switch pattern[0] {
	case '_':
		return 1, true
	case '\\':
		if len(pattern) > 1 && strings.ContainsRune(`%_[\`, pattern[1]) {
			return 2, letter == pattern[1]
		}
	case '[':
		return set(letter, pattern)
	}
	return 1, letter == pattern[0]
}

// set matches a letter with [abc], [a-c] or [^a-c]. One that does not end matches nothing.
func set(letter rune, pattern []rune) (length int, ok bool) {
	i := 1
	not := i < len(pattern) && pattern[i] == '^'
	if not {
		i++
	}
	found := false
	for i < len(pattern) {
		if pattern[i] == ']' {
			return i + 1, found != not
		}
		low, high := pattern[i], pattern[i]
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		found = found || low <= letter && letter <= high
		i++
	}
	return 1, false
}
