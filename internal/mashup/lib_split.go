package mashup

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// The names of comparers that Comparer.FromCulture makes, by which matcherOf knows them.
const (
	comparerCulture     = "Comparer.FromCulture(…)"
	comparerCultureFold = "Comparer.FromCulture(…, true)"
)

// newFunction is a function that a function of the library makes.
func newFunction(name string, params []paramType, body func(ev *evaluation, args []Value) (Value, error)) *function {
	return &function{name: name, native: body, typ: &typeValue{of: kindFunction, params: params, required: len(params), result: anyType()}}
}

func anyParam(name string) paramType { return paramType{name, anyType()} }

// splitter makes the function of a splitter: null gives an empty list.
func splitter(split func(s string) []string) Value {
	return newFunction("", []paramType{{"text", simple(kindText).asNullable()}}, func(_ *evaluation, args []Value) (Value, error) {
		if isNull(args[0]) {
			return newList(), nil
		}
		return textList(split(string(args[0].(text)))), nil
	})
}

// combiner makes the function of a combiner: a null among the texts is empty.
func combiner(combine func(texts []string) (string, error)) Value {
	return newFunction("", []paramType{{"texts", simple(kindList)}}, func(ev *evaluation, args []Value) (Value, error) {
		items, err := args[0].(*list).all(ev)
		if err != nil {
			return nil, err
		}
		texts := make([]string, len(items))
		for i, item := range items {
			if texts[i], err = textArg(item, ""); err != nil {
				return nil, err
			}
		}
		s, err := combine(texts)
		return text(s), err
	})
}

// quoteStyle tells whether an optional QuoteStyle is Csv.
func quoteStyle(v Value, absent bool) (bool, error) {
	if isNull(v) {
		return absent, nil
	}
	n, err := wholeArg(v, 0)
	return n == 1, err
}

// splitQuoted splits at whatever next finds: a range of bytes at or after a place, start < 0 for none. With quotes, a part that begins
// with a quote ends at the quote that closes it.
func splitQuoted(s string, quotes bool, next func(s string, from int) (start, end int)) []string {
	var parts []string
	begin, from := 0, 0
	var unquoted *strings.Builder
	take := func(end int) {
		part := s[begin:end]
		if unquoted != nil {
			part = unquoted.String() + s[from:end]
			unquoted = nil
		}
		parts = append(parts, part)
	}
	for {
		if quotes && from == begin && unquoted == nil && strings.HasPrefix(s[begin:], `"`) {
			unquoted = &strings.Builder{}
			from = readQuoted(s, begin, unquoted)
		}
		start, end := next(s, from)
		if start < 0 {
			take(len(s))
			return parts
		}
		take(start)
		begin, from = end, end
	}
}

// readQuoted reads "…" with doubled quotes from begin and returns where it ends.
func readQuoted(s string, begin int, to *strings.Builder) int {
	for i := begin + 1; i < len(s); i++ {
		if s[i] != '"' {
			to.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			to.WriteByte('"')
			i++
			continue
		}
		return i + 1
	}
	return len(s)
}

// delimiters finds the earliest of some delimiters, the longest where two begin together.
func delimiters(all []string) func(s string, from int) (int, int) {
	return func(s string, from int) (int, int) {
		start, end := -1, -1
		for _, d := range all {
			if d == "" {
				continue
			}
			i := strings.Index(s[from:], d)
			if i >= 0 && (start < 0 || from+i < start || from+i == start && from+i+len(d) > end) {
				start, end = from+i, from+i+len(d)
			}
		}
		return start, end
	}
}

// eachDelimiter finds a sequence of delimiters, each once.
func eachDelimiter(all []string) func(s string, from int) (int, int) {
	i := 0
	return func(s string, from int) (int, int) {
		for i < len(all) {
			d := all[i]
			i++
			if at := strings.Index(s[from:], d); at >= 0 && d != "" {
				return from + at, from + at + len(d)
			}
		}
		return -1, -1
	}
}

// splitEachFromEnd splits by a sequence of delimiters from the end of the text.
func splitEachFromEnd(s string, all []string) []string {
	var parts []string
	for _, d := range all {
		i := strings.LastIndex(s, d)
		if i < 0 || d == "" {
			continue
		}
		parts = append([]string{s[i+len(d):]}, parts...)
		s = s[:i]
	}
	return append([]string{s}, parts...)
}

// splitAnyFromEnd splits at any delimiter, reading from the end: a quote, too, is opened by the one further to the right.
func splitAnyFromEnd(s string, quotes bool, all []string) []string {
	var parts []string
	part, inside := "", false
	for s != "" {
		if quotes && strings.HasSuffix(s, `"`) {
			s = s[:len(s)-1]
			if inside && strings.HasSuffix(s, `"`) {
				part, s = `"`+part, s[:len(s)-1]
				continue
			}
			inside = !inside
			continue
		}
		found := ""
		for _, d := range all {
			if !inside && len(d) > len(found) && strings.HasSuffix(s, d) {
				found = d
			}
		}
		if found != "" {
			parts = append([]string{part}, parts...)
			part, s = "", s[:len(s)-len(found)]
			continue
		}
		_, size := utf8.DecodeLastRuneInString(s)
		part, s = s[len(s)-size:]+part, s[:len(s)-size]
	}
	return append([]string{part}, parts...)
}

func whitespaceRun(s string, from int) (int, int) {
	i := strings.IndexFunc(s[from:], unicode.IsSpace)
	if i < 0 {
		return -1, -1
	}
	n := strings.IndexFunc(s[from+i:], func(r rune) bool { return !unicode.IsSpace(r) })
	if n < 0 {
		n = len(s) - from - i
	}
	return from + i, from + i + n
}

func numbersOf(ev *evaluation, v Value) ([]int, error) {
	items, err := v.(*list).all(ev)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, len(items))
	for i, item := range items {
		if numbers[i], err = countArg(item, -1); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// rangesOf reads a list of {offset, length}; a length of null is -1, to the end.
func rangesOf(ev *evaluation, v Value) ([][2]int, error) {
	items, err := v.(*list).all(ev)
	if err != nil {
		return nil, err
	}
	ranges := make([][2]int, len(items))
	for i, item := range items {
		pair, ok := item.(*list)
		if !ok {
			return nil, cannotConvert(item, "List")
		}
		values, err := pair.all(ev)
		if err != nil {
			return nil, err
		}
		if len(values) != 2 {
			return nil, fail("A range is a list of an offset and a length.")
		}
		if ranges[i][0], err = countArg(values[0], 0); err != nil {
			return nil, err
		}
		if ranges[i][1], err = countArg(values[1], -1); err != nil {
			return nil, err
		}
	}
	return ranges, nil
}

func flag(v Value) bool { return v == Value(logical(true)) }

func splitFunctions() family {
	return family{entries: append(splitters(), append(combiners(), comparers()...)...), constants: []constant{
		{"QuoteStyle.None", intNumber(0)}, {"QuoteStyle.Csv", intNumber(1)}, {"QuoteStyle.Type", named(kindNumber, "QuoteStyle.Type")},
		{"CsvStyle.QuoteAfterDelimiter", intNumber(0)}, {"CsvStyle.QuoteAlways", intNumber(1)}, {"CsvStyle.Type", named(kindNumber, "CsvStyle.Type")},
	}}
}

func splitters() []entry {
	return []entry{
		{signature: "Splitter.SplitByNothing() as function", body: func(*evaluation, []Value) (Value, error) {
			return newFunction("", []paramType{anyParam("value")}, func(_ *evaluation, args []Value) (Value, error) { return newList(args[0]), nil }), nil
		}},
		{signature: "Splitter.SplitTextByDelimiter(delimiter as text, optional quoteStyle as nullable number, optional csvStyle as nullable number) as function", body: func(_ *evaluation, args []Value) (Value, error) {
			quotes, err := quoteStyle(args[1], true)
			find := delimiters([]string{string(args[0].(text))})
			return splitter(func(s string) []string { return splitQuoted(s, quotes, find) }), err
		}},
		{signature: "Splitter.SplitTextByAnyDelimiter(delimiters as list, optional quoteStyle as nullable number, optional startAtEnd as nullable logical) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			all, err := textsOf(ev, args[0].(*list))
			if err != nil {
				return nil, err
			}
			quotes, err := quoteStyle(args[1], true)
			if flag(args[2]) {
				return splitter(func(s string) []string { return splitAnyFromEnd(s, quotes, all) }), err
			}
			find := delimiters(all)
			return splitter(func(s string) []string { return splitQuoted(s, quotes, find) }), err
		}},
		{signature: "Splitter.SplitTextByEachDelimiter(delimiters as list, optional quoteStyle as nullable number, optional startAtEnd as nullable logical) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			all, err := textsOf(ev, args[0].(*list))
			if err != nil {
				return nil, err
			}
			quotes, err := quoteStyle(args[1], true)
			if flag(args[2]) {
				return splitter(func(s string) []string { return splitEachFromEnd(s, all) }), err
			}
			return splitter(func(s string) []string { return splitQuoted(s, quotes, eachDelimiter(all)) }), err
		}},
		{signature: "Splitter.SplitTextByWhitespace(optional quoteStyle as nullable number) as function", body: func(_ *evaluation, args []Value) (Value, error) {
			quotes, err := quoteStyle(args[0], true)
			return splitter(func(s string) []string { return splitQuoted(s, quotes, whitespaceRun) }), err
		}},
		{signature: "Splitter.SplitTextByLengths(lengths as list, optional startAtEnd as nullable logical) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			lengths, err := numbersOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			ranges, offset := make([][2]int, len(lengths)), 0
			for i, n := range lengths {
				ranges[i] = [2]int{offset, n}
				offset += n
			}
			return splitter(splitRanges(ranges, flag(args[1]))), nil
		}},
		{signature: "Splitter.SplitTextByPositions(positions as list, optional startAtEnd as nullable logical) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			positions, err := numbersOf(ev, args[0])
			if err != nil {
				return nil, err
			}
			ranges := make([][2]int, len(positions))
			for i, p := range positions {
				ranges[i] = [2]int{p, -1}
				if i+1 < len(positions) {
					ranges[i][1] = positions[i+1] - p
				}
			}
			return splitter(splitRanges(ranges, flag(args[1]))), nil
		}},
		{signature: "Splitter.SplitTextByRanges(ranges as list, optional startAtEnd as nullable logical) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			ranges, err := rangesOf(ev, args[0])
			return splitter(splitRanges(ranges, flag(args[1]))), err
		}},
		{signature: "Splitter.SplitTextByRepeatedLengths(length as number, optional startAtEnd as nullable logical) as function", body: func(_ *evaluation, args []Value) (Value, error) {
			n, err := countArg(args[0], 1)
			if err == nil && n == 0 {
				err = fail("The length must be more than 0.")
			}
			fromEnd := flag(args[1])
			return splitter(func(s string) []string {
				var parts []string
				if first := textLength(s) % n; fromEnd && first > 0 {
					parts = append(parts, slice(s, 0, first))
					s = slice(s, first, -1)
				}
				for s != "" {
					part := slice(s, 0, n)
					parts = append(parts, part)
					s = s[len(part):]
				}
				return parts
			}), err
		}},
		{signature: "Splitter.SplitTextByCharacterTransition(before as any, after as any) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			return characterTransition(ev, args)
		}},
	}
}

// splitRanges takes ranges out of a text, counted from its end when fromEnd.
func splitRanges(ranges [][2]int, fromEnd bool) func(s string) []string {
	return func(s string) []string {
		length := textLength(s)
		parts := make([]string, len(ranges))
		for i, r := range ranges {
			offset, count := r[0], r[1]
			if count < 0 || offset+count > length {
				count = max(0, length-offset)
			}
			if fromEnd {
				parts[len(ranges)-1-i] = slice(s, max(0, length-offset-count), count)
				continue
			}
			parts[i] = slice(s, offset, count)
		}
		return parts
	}
}

func characterTransition(ev *evaluation, args []Value) (Value, error) {
	type test func(ev *evaluation, r rune) (bool, error)
	testOf := func(v Value) (test, error) {
		switch v := v.(type) {
		case *list:
			chars, err := textsOf(ev, v)
			set := strings.Join(chars, "")
			return func(_ *evaluation, r rune) (bool, error) { return strings.ContainsRune(set, r), nil }, err
		case *function:
			return func(ev *evaluation, r rune) (bool, error) {
				answer, err := ev.call(v, text(string(r)))
				return flag(answer), err
			}, nil
		}
		return nil, cannotConvert(v, "List")
	}
	before, err := testOf(args[0])
	if err != nil {
		return nil, err
	}
	after, err := testOf(args[1])
	if err != nil {
		return nil, err
	}
	return newFunction("", []paramType{{"text", simple(kindText).asNullable()}}, func(ev *evaluation, args []Value) (Value, error) {
		if isNull(args[0]) {
			return newList(), nil
		}
		s := string(args[0].(text))
		var parts []string
		begin, last := 0, rune(-1)
		for i, r := range s {
			if last >= 0 {
				x, err := before(ev, last)
				if err != nil {
					return nil, err
				}
				y, err := after(ev, r)
				if err != nil {
					return nil, err
				}
				if x && y {
					parts = append(parts, s[begin:i])
					begin = i
				}
			}
			last = r
		}
		return textList(append(parts, s[begin:])), nil
	}), nil
}

// quoteCsv puts a text in quotes when it holds the delimiter, a quote or a line's end.
func quoteCsv(s, delimiter string) string {
	if strings.ContainsAny(s, "\"\r\n") || delimiter != "" && strings.Contains(s, delimiter) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

func combiners() []entry {
	return []entry{
		{signature: "Combiner.CombineTextByDelimiter(delimiter as text, optional quoteStyle as nullable number) as function", body: func(_ *evaluation, args []Value) (Value, error) {
			delimiter := string(args[0].(text))
			quotes, err := quoteStyle(args[1], false)
			return combiner(func(texts []string) (string, error) {
				if quotes {
					for i, s := range texts {
						texts[i] = quoteCsv(s, delimiter)
					}
				}
				return strings.Join(texts, delimiter), nil
			}), err
		}},
		{signature: "Combiner.CombineTextByEachDelimiter(delimiters as list, optional quoteStyle as nullable number) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			all, err := textsOf(ev, args[0].(*list))
			return combiner(func(texts []string) (string, error) {
				var b strings.Builder
				for i, s := range texts {
					if i > 0 && i-1 < len(all) {
						b.WriteString(all[i-1])
					}
					b.WriteString(s)
				}
				return b.String(), nil
			}), err
		}},
		{signature: "Combiner.CombineTextByLengths(lengths as list, optional template as nullable text) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			lengths, err := numbersOf(ev, args[0])
			ranges, offset := make([][2]int, len(lengths)), 0
			for i, n := range lengths {
				ranges[i] = [2]int{offset, n}
				offset += n
			}
			return combineRanges(ranges, args[1]), err
		}},
		{signature: "Combiner.CombineTextByPositions(positions as list, optional template as nullable text) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			positions, err := numbersOf(ev, args[0])
			ranges := make([][2]int, len(positions))
			for i, p := range positions {
				ranges[i] = [2]int{p, -1}
				if i+1 < len(positions) {
					ranges[i][1] = positions[i+1] - p
				}
			}
			return combineRanges(ranges, args[1]), err
		}},
		{signature: "Combiner.CombineTextByRanges(ranges as list, optional template as nullable text) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			ranges, err := rangesOf(ev, args[0])
			return combineRanges(ranges, args[1]), err
		}},
	}
}

// combineRanges writes texts over a template, blanks where there is none.
func combineRanges(ranges [][2]int, template Value) Value {
	return combiner(func(texts []string) (string, error) {
		s, err := textArg(template, "")
		if err != nil {
			return "", err
		}
		out := []rune(s)
		for i, r := range ranges {
			if i >= len(texts) {
				break
			}
			part := []rune(texts[i])
			if r[1] >= 0 && len(part) > r[1] {
				part = part[:r[1]]
			}
			for len(out) < r[0]+len(part) {
				out = append(out, ' ')
			}
			copy(out[r[0]:], part)
		}
		return string(out), nil
	})
}

func comparers() []entry {
	ordinal := func(fold bool) func(*evaluation, []Value) (Value, error) {
		return func(ev *evaluation, args []Value) (Value, error) {
			a, b := args[0], args[1]
			if fold {
				if s, ok := a.(text); ok {
					a = text(foldText(string(s)))
				}
				if s, ok := b.(text); ok {
					b = text(foldText(string(s)))
				}
			}
			return compareValues(a, b)
		}
	}
	return []entry{
		{signature: "Comparer.Ordinal(x as any, y as any) as number", body: ordinal(false)},
		{signature: "Comparer.OrdinalIgnoreCase(x as any, y as any) as number", body: ordinal(true)},
		{signature: "Comparer.FromCulture(culture as text, optional ignoreCase as nullable logical) as function", body: func(ev *evaluation, args []Value) (Value, error) {
			tag, err := language.Parse(string(args[0].(text)))
			if err != nil {
				return nil, fail("The culture '%s' isn't supported.", string(args[0].(text)))
			}
			name, options := comparerCulture, []collate.Option{}
			if flag(args[1]) {
				name, options = comparerCultureFold, append(options, collate.IgnoreCase)
			}
			collator := collate.New(tag, options...)
			return newFunction(name, []paramType{anyParam("x"), anyParam("y")}, func(_ *evaluation, args []Value) (Value, error) {
				x, ok := args[0].(text)
				y, also := args[1].(text)
				if ok && also {
					return intNumber(int64(collator.CompareString(string(x), string(y)))), nil
				}
				return compareValues(args[0], args[1])
			}), nil
		}},
		{signature: "Comparer.Equals(comparer as function, x as any, y as any) as logical", body: func(ev *evaluation, args []Value) (Value, error) {
			answer, err := ev.call(args[0].(*function), args[1], args[2])
			if err != nil {
				return nil, err
			}
			return equalAnswer(answer)
		}},
		{signature: "Replacer.ReplaceText(text as nullable text, old as text, new as text) as nullable text", body: func(_ *evaluation, args []Value) (Value, error) {
			return text(replaceText(string(args[0].(text)), string(args[1].(text)), string(args[2].(text)))), nil
		}},
		{signature: "Replacer.ReplaceValue(value as any, old as any, new as any) as any", body: func(ev *evaluation, args []Value) (Value, error) {
			same, err := equal(ev, args[0], args[1])
			if err != nil || !same {
				return args[0], err
			}
			return args[2], nil
		}},
	}
}

// equalAnswer reads what a function that compares says: a logical, or a number that is 0 for equal.
func equalAnswer(v Value) (Value, error) {
	switch v := v.(type) {
	case logical:
		return v, nil
	case number:
		return logical(v.float() == 0), nil
	}
	return nil, cannotConvert(v, "Logical")
}

// compareValues is Value.Compare: null before all else, NaN before numbers.
func compareValues(a, b Value) (Value, error) {
	order, err := sortOrder(a, b)
	if err != nil {
		return nil, err
	}
	return intNumber(int64(order)), nil
}

// sortOrder orders two plain values for sorting: nulls first.
func sortOrder(a, b Value) (int, error) {
	switch {
	case isNull(a) && isNull(b):
		return 0, nil
	case isNull(a):
		return -1, nil
	case isNull(b):
		return 1, nil
	}
	order, unordered, ok := compare(a, b)
	if !ok {
		return 0, fail("We cannot apply operator < to types %s and %s.", typeName(a), typeName(b)).
			with(newRecord([]string{"Operator", "Left", "Right"}, []Value{text("<"), a, b}))
	}
	if unordered {
		x, y := a.(number).float(), b.(number).float()
		switch {
		case x != x && y != y:
			return 0, nil
		case x != x:
			return -1, nil
		}
		return 1, nil
	}
	return order, nil
}
