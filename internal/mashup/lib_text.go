package mashup

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Texts are UTF-8 here and UTF-16 to the language: positions and lengths count UTF-16 units. A text of ASCII alone needs no conversion.

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func textLength(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// byteAt is the byte offset of a position, or that of the end where the position lies beyond it. A position inside a surrogate pair is that
// of the pair's end.
func byteAt(s string, position int) int {
	if position <= len(s) && isASCII(s) {
		return position
	}
	n := 0
	for i, r := range s {
		if n >= position {
			return i
		}
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return len(s)
}

// positionAt is the position of a byte offset.
func positionAt(s string, offset int) int { return textLength(s[:offset]) }

// slice is count units from start; count < 0 is all. Beyond the end there is nothing.
func slice(s string, start, count int) string {
	s = s[byteAt(s, start):]
	if count < 0 {
		return s
	}
	return s[:byteAt(s, count)]
}

// textToText is a function of one text that gives a text.
func textToText(signature string, f func(s string) string) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
		return text(f(string(args[0].(text)))), nil
	}}
}

// matcher tells how texts are compared; fold is without regard to case.
type matcher struct{ fold bool }

// matcherOf is the matcher of an optional comparer.
func matcherOf(v Value) (matcher, error) {
	f, ok := v.(*function)
	switch {
	case isNull(v):
		return matcher{}, nil
	case !ok:
		return matcher{}, cannotConvert(v, "Function")
	case f.name == "Comparer.Ordinal" || f.name == comparerCulture:
		return matcher{}, nil
	case f.name == "Comparer.OrdinalIgnoreCase" || f.name == comparerCultureFold:
		return matcher{fold: true}, nil
	}
	return matcher{}, fail("Only the comparers of the library can be used to find a text in a text.")
}

// foldRune maps a character to the one that stands for both cases.
func foldRune(r rune) rune { return unicode.ToUpper(r) }

func foldText(s string) string { return strings.Map(foldRune, s) }

// find returns the byte offsets of the first match at or after from, -1 when there is none.
func (m matcher) find(s, sub string, from int) (start, end int) {
	if !m.fold {
		i := strings.Index(s[from:], sub)
		if i < 0 {
			return -1, -1
		}
		return from + i, from + i + len(sub)
	}
	for i := from; i <= len(s); {
		if n := m.prefix(s[i:], sub); n >= 0 {
			return i, i + n
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		if size == 0 {
			break
		}
		i += size
	}
	return -1, -1
}

// prefix is how many bytes of s match sub, -1 when s does not begin with it.
func (m matcher) prefix(s, sub string) int {
	if !m.fold {
		if strings.HasPrefix(s, sub) {
			return len(sub)
		}
		return -1
	}
	i := 0
	for _, want := range sub {
		r, size := utf8.DecodeRuneInString(s[i:])
		if size == 0 || foldRune(r) != foldRune(want) {
			return -1
		}
		i += size
	}
	return i
}

// all returns the byte ranges of all matches that do not overlap.
func (m matcher) all(s, sub string) [][2]int {
	var found [][2]int
	if sub == "" {
		return nil
	}
	for from := 0; ; {
		start, end := m.find(s, sub, from)
		if start < 0 {
			return found
		}
		found = append(found, [2]int{start, end})
		from = end
	}
}

// charsArg is a character, or a list of them.
func charsArg(ev *evaluation, v Value) ([]string, error) {
	switch v := v.(type) {
	case text:
		return []string{string(v)}, nil
	case *list:
		return textsOf(ev, v)
	}
	return nil, cannotConvert(v, "List")
}

func textsOf(ev *evaluation, l *list) ([]string, error) {
	items, err := l.all(ev)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(items))
	for i, item := range items {
		s, ok := item.(text)
		if !ok {
			return nil, cannotConvert(item, "Text")
		}
		texts[i] = string(s)
	}
	return texts, nil
}

func trimmer(signature string, start, end bool) entry {
	return entry{signature: signature, body: func(ev *evaluation, args []Value) (Value, error) {
		s := string(args[0].(text))
		drop := unicode.IsSpace
		if !isNull(args[1]) {
			chars, err := charsArg(ev, args[1])
			if err != nil {
				return nil, err
			}
			set := strings.Join(chars, "")
			drop = func(r rune) bool { return strings.ContainsRune(set, r) }
		}
		if start {
			s = strings.TrimLeftFunc(s, drop)
		}
		if end {
			s = strings.TrimRightFunc(s, drop)
		}
		return text(s), nil
	}}
}

func padder(signature string, start bool) entry {
	return entry{signature: signature, body: func(_ *evaluation, args []Value) (Value, error) {
		s := string(args[0].(text))
		width, err := countArg(args[1], 0)
		if err != nil {
			return nil, err
		}
		fill, err := textArg(args[2], " ")
		if err != nil {
			return nil, err
		}
		if textLength(fill) != 1 {
			return nil, fail("The value %q isn't a single-character string.", fill)
		}
		if width > 1<<24 {
			return nil, fail("The text would be too long.")
		}
		filling := strings.Repeat(fill, max(0, width-textLength(s)))
		if start {
			return text(filling + s), nil
		}
		return text(s + filling), nil
	}}
}

// properCase begins each word with a capital and writes the rest small.
func properCase(s string) string {
	var b strings.Builder
	inside := false
	for _, r := range s {
		letter := unicode.IsLetter(r) || unicode.Is(unicode.Mn, r) || inside && (r == '\'' || r == '’')
		switch {
		case letter && !inside:
			b.WriteRune(unicode.ToTitle(r))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		inside = letter
	}
	return b.String()
}

func textFunctions() family {
	return family{
		entries: []entry{
			conversion("Text.From(value as any, optional culture as nullable text) as nullable text", (*evaluation).textFrom),
			{signature: "Text.Length(text as nullable text) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				return intNumber(int64(textLength(string(args[0].(text))))), nil
			}},
			{signature: "Text.At(text as nullable text, index as number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				i, err := countArg(args[1], 0)
				if err != nil {
					return nil, err
				}
				if i >= textLength(s) {
					return nil, fail("The index is beyond the end of the text.").with(args[0])
				}
				return text(slice(s, i, 1)), nil
			}},
			{signature: "Text.Range(text as nullable text, offset as number, optional count as nullable number) as nullable text", body: textRange},
			{signature: "Text.Middle(text as nullable text, start as number, optional count as nullable number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				start, err := countArg(args[1], 0)
				if err != nil {
					return nil, err
				}
				count, err := wholeArg(args[2], -1)
				return text(slice(string(args[0].(text)), start, count)), err
			}},
			{signature: "Text.Start(text as nullable text, count as number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				count, err := countArg(args[1], 0)
				if err != nil {
					return nil, err
				}
				return text(slice(string(args[0].(text)), 0, count)), nil
			}},
			{signature: "Text.End(text as nullable text, count as number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				count, err := countArg(args[1], 0)
				if err != nil {
					return nil, err
				}
				return text(slice(s, max(0, textLength(s)-count), -1)), nil
			}},
			{signature: "Text.Insert(text as nullable text, offset as number, newText as text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				return replaceRange(args[0], args[1], intNumber(0), string(args[2].(text)))
			}},
			{signature: "Text.ReplaceRange(text as nullable text, offset as number, count as number, newText as text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				return replaceRange(args[0], args[1], args[2], string(args[3].(text)))
			}},
			{signature: "Text.RemoveRange(text as nullable text, offset as number, optional count as nullable number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				if isNull(args[2]) {
					args[2] = intNumber(1)
				}
				return replaceRange(args[0], args[1], args[2], "")
			}},
			{signature: "Text.Replace(text as nullable text, old as text, new as text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				return text(replaceText(string(args[0].(text)), string(args[1].(text)), string(args[2].(text)))), nil
			}},
			{signature: "Text.Remove(text as nullable text, removeChars as any) as nullable text", body: func(ev *evaluation, args []Value) (Value, error) {
				return keepChars(ev, args, false)
			}},
			{signature: "Text.Select(text as nullable text, selectChars as any) as nullable text", body: func(ev *evaluation, args []Value) (Value, error) {
				return keepChars(ev, args, true)
			}},
			trimmer("Text.Trim(text as nullable text, optional trim as any) as nullable text", true, true),
			trimmer("Text.TrimStart(text as nullable text, optional trim as any) as nullable text", true, false),
			trimmer("Text.TrimEnd(text as nullable text, optional trim as any) as nullable text", false, true),
			padder("Text.PadStart(text as nullable text, count as number, optional character as nullable text) as nullable text", true),
			padder("Text.PadEnd(text as nullable text, count as number, optional character as nullable text) as nullable text", false),
			{signature: "Text.Upper(text as nullable text, optional culture as nullable text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				return text(strings.Map(unicode.ToUpper, string(args[0].(text)))), nil
			}},
			{signature: "Text.Lower(text as nullable text, optional culture as nullable text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				return text(strings.Map(unicode.ToLower, string(args[0].(text)))), nil
			}},
			{signature: "Text.Proper(text as nullable text, optional culture as nullable text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				return text(properCase(string(args[0].(text)))), nil
			}},
			textToText("Text.Clean(text as nullable text) as nullable text", func(s string) string {
				return strings.Map(func(r rune) rune {
					if unicode.IsControl(r) {
						return -1
					}
					return r
				}, s)
			}),
			textToText("Text.Reverse(text as nullable text) as nullable text", func(s string) string {
				runes := []rune(s)
				slices.Reverse(runes)
				return string(runes)
			}),
			{signature: "Text.Repeat(text as nullable text, count as number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				count, err := countArg(args[1], 0)
				if err != nil {
					return nil, err
				}
				if count*len(s) > 1<<28 {
					return nil, fail("The text would be too long.")
				}
				return text(strings.Repeat(s, count)), nil
			}},
			{signature: "Text.Combine(texts as list, optional separator as nullable text) as text", body: func(ev *evaluation, args []Value) (Value, error) {
				separator, err := textArg(args[1], "")
				if err != nil {
					return nil, err
				}
				items, err := args[0].(*list).all(ev)
				if err != nil {
					return nil, err
				}
				var parts []string
				for _, item := range items {
					switch item := item.(type) {
					case nullKind:
					case text:
						parts = append(parts, string(item))
					default:
						return nil, cannotConvert(item, "Text")
					}
				}
				return text(strings.Join(parts, separator)), nil
			}},
			{signature: "Text.Split(text as text, separator as text) as list", body: func(_ *evaluation, args []Value) (Value, error) {
				return textList(splitBy(string(args[0].(text)), string(args[1].(text)))), nil
			}},
			{signature: "Text.SplitAny(text as text, separators as text) as list", body: func(_ *evaluation, args []Value) (Value, error) {
				separators := string(args[1].(text))
				var parts []string
				rest := string(args[0].(text))
				for {
					i := strings.IndexAny(rest, separators)
					if i < 0 || separators == "" {
						return textList(append(parts, rest)), nil
					}
					_, size := utf8.DecodeRuneInString(rest[i:])
					parts = append(parts, rest[:i])
					rest = rest[i+size:]
				}
			}},
			{signature: "Text.ToList(text as text) as list", body: func(_ *evaluation, args []Value) (Value, error) {
				return textList(strings.Split(string(args[0].(text)), "")), nil
			}},
			{signature: "Text.Contains(text as nullable text, substring as text, optional comparer as nullable function) as nullable logical", body: func(_ *evaluation, args []Value) (Value, error) {
				m, err := matcherOf(args[2])
				start, _ := m.find(string(args[0].(text)), string(args[1].(text)), 0)
				return logical(start >= 0), err
			}},
			{signature: "Text.StartsWith(text as nullable text, substring as text, optional comparer as nullable function) as nullable logical", body: func(_ *evaluation, args []Value) (Value, error) {
				m, err := matcherOf(args[2])
				return logical(m.prefix(string(args[0].(text)), string(args[1].(text))) >= 0), err
			}},
			{signature: "Text.EndsWith(text as nullable text, substring as text, optional comparer as nullable function) as nullable logical", body: func(_ *evaluation, args []Value) (Value, error) {
				m, err := matcherOf(args[2])
				s, sub := string(args[0].(text)), string(args[1].(text))
				if m.fold {
					s, sub = foldText(s), foldText(sub)
				}
				return logical(strings.HasSuffix(s, sub)), err
			}},
			{signature: "Text.PositionOf(text as text, substring as text, optional occurrence as nullable number, optional comparer as nullable function) as any", body: func(_ *evaluation, args []Value) (Value, error) {
				m, err := matcherOf(args[3])
				if err != nil {
					return nil, err
				}
				s := string(args[0].(text))
				var found []Value
				for _, at := range m.all(s, string(args[1].(text))) {
					found = append(found, intNumber(int64(positionAt(s, at[0]))))
				}
				return occurrence(found, args[2])
			}},
			{signature: "Text.PositionOfAny(text as text, characters as list, optional occurrence as nullable number) as any", body: func(ev *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				chars, err := textsOf(ev, args[1].(*list))
				if err != nil {
					return nil, err
				}
				set := strings.Join(chars, "")
				var found []Value
				for i, r := range s {
					if strings.ContainsRune(set, r) {
						found = append(found, intNumber(int64(positionAt(s, i))))
					}
				}
				return occurrence(found, args[2])
			}},
			{signature: "Text.BeforeDelimiter(text as nullable text, delimiter as text, optional index as any) as any", body: func(ev *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				at, err := delimiterAt(ev, s, string(args[1].(text)), args[2])
				if err != nil || at[0] < 0 {
					return args[0], err
				}
				return text(s[:at[0]]), nil
			}},
			{signature: "Text.AfterDelimiter(text as nullable text, delimiter as text, optional index as any) as any", body: func(ev *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				at, err := delimiterAt(ev, s, string(args[1].(text)), args[2])
				if err != nil || at[0] < 0 {
					return text(""), err
				}
				return text(s[at[1]:]), nil
			}},
			{signature: "Text.BetweenDelimiters(text as nullable text, startDelimiter as text, endDelimiter as text, optional startIndex as any, optional endIndex as any) as any", body: func(ev *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				start, err := delimiterAt(ev, s, string(args[1].(text)), args[3])
				if err != nil || start[0] < 0 {
					return text(""), err
				}
				n, fromEnd, err := relativeIndex(ev, args[4])
				if err != nil {
					return nil, err
				}
				if fromEnd {
					before := matcher{}.all(s[:start[0]], string(args[2].(text)))
					if n >= len(before) {
						return text(""), nil
					}
					return text(s[before[len(before)-1-n][1]:start[0]]), nil
				}
				after := matcher{}.all(s[start[1]:], string(args[2].(text)))
				if n >= len(after) {
					return text(""), nil
				}
				return text(s[start[1] : start[1]+after[n][0]]), nil
			}},
			{signature: "Text.Format(formatString as text, arguments as any, optional culture as nullable text) as text", body: textFormat},
			{signature: "Text.InferNumberType(text as text, optional culture as nullable text) as type", body: func(ev *evaluation, args []Value) (Value, error) {
				c, err := ev.culture(args[1])
				if err != nil {
					return nil, err
				}
				n, err := numberFromText(c, string(args[0].(text)))
				if err != nil {
					return nil, err
				}
				if n.rep == repInt {
					return named(kindNumber, "Int64.Type"), nil
				}
				return named(kindNumber, "Double.Type"), nil
			}},
			{signature: "Character.FromNumber(number as nullable number) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
				n, err := countArg(args[0], 0)
				if err != nil {
					return nil, err
				}
				if n > unicode.MaxRune {
					return nil, fail("The number %d is not a character.", n)
				}
				return text(string(rune(n))), nil
			}},
			{signature: "Character.ToNumber(character as nullable text) as nullable number", body: func(_ *evaluation, args []Value) (Value, error) {
				s := string(args[0].(text))
				r, size := utf8.DecodeRuneInString(s)
				if size == 0 || size != len(s) {
					return nil, fail("The value %s isn't a single-character string.", display(args[0]))
				}
				return intNumber(int64(r)), nil
			}},
			{signature: "Guid.From(value as nullable text) as nullable text", body: guidFrom},
		},
		constants: []constant{
			{"Occurrence.First", intNumber(0)}, {"Occurrence.Last", intNumber(1)}, {"Occurrence.All", intNumber(2)},
			{"Occurrence.Optional", intNumber(0)}, {"Occurrence.Required", intNumber(1)}, {"Occurrence.Repeating", intNumber(2)},
			{"Occurrence.Type", named(kindNumber, "Occurrence.Type")},
			{"RelativePosition.FromStart", intNumber(0)}, {"RelativePosition.FromEnd", intNumber(1)},
			{"RelativePosition.Type", named(kindNumber, "RelativePosition.Type")},
			{"Text.Type", simple(kindText)}, {"Character.Type", named(kindText, "Character.Type")}, {"Guid.Type", named(kindText, "Guid.Type")},
			{"Password.Type", named(kindText, "Password.Type")}, {"Uri.Type", named(kindText, "Uri.Type")},
		},
	}
}

func textRange(_ *evaluation, args []Value) (Value, error) {
	s := string(args[0].(text))
	start, err := countArg(args[1], 0)
	if err != nil {
		return nil, err
	}
	length := textLength(s)
	count, err := countArg(args[2], max(0, length-start))
	if err != nil {
		return nil, err
	}
	if start > length || start+count > length {
		return nil, fail("The range is beyond the end of the text.").with(args[0])
	}
	return text(slice(s, start, count)), nil
}

func replaceRange(of, offset, length Value, by string) (Value, error) {
	s := string(of.(text))
	start, err := countArg(offset, 0)
	if err != nil {
		return nil, err
	}
	count, err := countArg(length, 0)
	if err != nil {
		return nil, err
	}
	if start+count > textLength(s) {
		return nil, fail("The range is beyond the end of the text.").with(of)
	}
	return text(s[:byteAt(s, start)] + by + s[byteAt(s, start+count):]), nil
}

func replaceText(s, old, by string) string {
	if old == "" {
		return s
	}
	return strings.ReplaceAll(s, old, by)
}

func splitBy(s, separator string) []string {
	if separator == "" {
		return []string{s}
	}
	return strings.Split(s, separator)
}

func keepChars(ev *evaluation, args []Value, keep bool) (Value, error) {
	chars, err := charsArg(ev, args[1])
	if err != nil {
		return nil, err
	}
	set := strings.Join(chars, "")
	return text(strings.Map(func(r rune) rune {
		if strings.ContainsRune(set, r) == keep {
			return r
		}
		return -1
	}, string(args[0].(text)))), nil
}

// occurrence picks from the places where something was found: first, last or all.
func occurrence(found []Value, which Value) (Value, error) {
	n, err := wholeArg(which, 0)
	if err != nil {
		return nil, err
	}
	switch {
	case n == 2:
		return newList(found...), nil
	case n != 0 && n != 1:
		return nil, fail("The value %d is not an Occurrence.", n)
	case len(found) == 0:
		return intNumber(-1), nil
	case n == 1:
		return found[len(found)-1], nil
	}
	return found[0], nil
}

// relativeIndex reads an index: a number, or {number, RelativePosition}.
func relativeIndex(ev *evaluation, v Value) (n int, fromEnd bool, err error) {
	l, ok := v.(*list)
	if !ok {
		n, err = countArg(v, 0)
		return n, false, err
	}
	items, err := l.all(ev)
	if err != nil {
		return 0, false, err
	}
	if len(items) != 2 {
		return 0, false, fail("An index is a number, or a list of a number and a RelativePosition.")
	}
	if n, err = countArg(items[0], 0); err != nil {
		return 0, false, err
	}
	side, err := countArg(items[1], 0)
	return n, side == 1, err
}

// delimiterAt is the byte range of the delimiter of an index, -1 when there are fewer.
func delimiterAt(ev *evaluation, s, delimiter string, index Value) ([2]int, error) {
	n, fromEnd, err := relativeIndex(ev, index)
	if err != nil {
		return [2]int{}, err
	}
	found := matcher{}.all(s, delimiter)
	if n >= len(found) {
		return [2]int{-1, -1}, nil
	}
	if fromEnd {
		n = len(found) - 1 - n
	}
	return found[n], nil
}

func textFormat(ev *evaluation, args []Value) (Value, error) {
	c, err := ev.culture(args[2])
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	rest := string(args[0].(text))
	for {
		i := strings.IndexByte(rest, '#')
		if i < 0 || i+1 == len(rest) {
			b.WriteString(rest)
			return text(b.String()), nil
		}
		b.WriteString(rest[:i])
		closing := map[byte]string{'{': "}", '[': "]"}[rest[i+1]]
		end := -1
		if closing != "" {
			end = strings.Index(rest[i+2:], closing)
		}
		if end < 0 {
			b.WriteByte('#')
			rest = rest[i+1:]
			continue
		}
		key := rest[i+2 : i+2+end]
		rest = rest[i+3+end:]
		var v Value
		if closing == "]" {
			v, err = fieldOf(ev, args[1], key, false)
		} else {
			n, valid := literalNumber(strings.TrimSpace(key))
			if !valid {
				return nil, fail("The reference #{%s} is not a number.", key)
			}
			v, err = itemOf(ev, args[1], n, false)
		}
		if err != nil {
			return nil, err
		}
		s, err := ev.textFrom(plain(v), c)
		if err != nil {
			return nil, err
		}
		if t, ok := s.(text); ok {
			b.WriteString(string(t))
		}
	}
}

func guidFrom(_ *evaluation, args []Value) (Value, error) {
	s := strings.ToLower(strings.Trim(strings.TrimSpace(string(args[0].(text))), "{}()"))
	hex := strings.ReplaceAll(s, "-", "")
	if len(hex) != 32 || strings.Trim(hex, "0123456789abcdef") != "" || len(s) != 32 && len(s) != 36 {
		return nil, failData("The Guid is not in a known form.").with(args[0])
	}
	return text(fmt.Sprintf("%s-%s-%s-%s-%s", hex[:8], hex[8:12], hex[12:16], hex[16:20], hex[20:])), nil
}

// utf16Bytes is a text in UTF-16, low byte first.
func utf16Bytes(s string) []byte {
	units := utf16.Encode([]rune(s))
	out := make([]byte, 2*len(units))
	for i, u := range units {
		out[2*i], out[2*i+1] = byte(u), byte(u>>8)
	}
	return out
}
