package syntax

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestFree(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`let Orders = Table.Group(Orders, {}), x = Orders in x`, "Orders Table.Group"},
		{`let Orders = 1, x = Orders in Orders`, ""},
		{`let f = (n) => if n = 0 then Zero else @f(n - 1), g = f in g(Base)`, "Base Zero"},
		{`[a = b, b = c, c = @c]`, ""},
		{`each [Amount] > Limit and List.Contains(Keys, _)`, "Keys Limit List.Contains"},
		{`Section1!Orders{[Id = Key]}?[Name]`, "Key Orders"},
		{`try #"My query" catch (e) => error Other & e`, "My query Other"},
		{`Value.Type(x) = type table Row`, "Row Value.Type x"},
		{`{1..Last} meta [Documentation = Text]`, "Last Text"},
	} {
		x, err := ParseExpression("test", test.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(Free(x))), " "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.text, got, test.want)
		}
	}
}
