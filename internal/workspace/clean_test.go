package workspace

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestWithoutSecrets(t *testing.T) {
	for connection, want := range map[string]string{
		"":                                 "",
		"Host=h;Database=d":                "Host=h;Database=d",
		"Password=":                        "Password=",
		"Password=x":                       "",
		"Host=h; PassWord = x ; Port=1":    "Host=h; Port=1",
		`Host=h;Password="a;b""c";Port=1`:  "Host=h;Port=1",
		`Password='a;b';Host=h`:            "Host=h",
		`Driver={A;Password=b};Pwd={x}}y}`: `Driver={A;Password=b};`,
		`Host="Password=x";Port=1`:         `Host="Password=x";Port=1`,
		`Password="unclosed;Host=h`:        "",
		"User Password=x;Account Key=k==;SharedAccessSignature=s;Client Secret=c;Host=h": "Host=h",
		"Persist Security Info=True;Integrated Security=SSPI":                            "Persist Security Info=True;Integrated Security=SSPI",
	} {
		if got := withoutSecrets(connection); got != want {
			t.Errorf("%s: got %q, want %q", connection, got, want)
		}
	}
}

// A hostile string costs no more than its length.
func TestWithoutSecretsOfLongText(t *testing.T) {
	const size = 1 << 20
	for _, unit := range []string{`"`, `'`, "=", ";", `=";`, "{", "=x'", "Password=x;"} {
		long := "Host=" + strings.Repeat(unit, size/len(unit))
		if got := withoutSecrets(long); len(got) > len(long) {
			t.Errorf("%s grows", unit)
		}
	}
}

func FuzzWithoutSecrets(f *testing.F) {
	for _, seed := range []string{"Host=h;Password=x", `a="b;c";Pwd={x}}y}`, "=;=;'", "Password='"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, connection string) {
		once := withoutSecrets(connection)
		if again := withoutSecrets(once); again != once {
			t.Errorf("%q becomes %q, then %q", connection, once, again)
		}
		if len(once) > len(connection) {
			t.Errorf("%q grows to %q", connection, once)
		}
	})
}

// What is cleaned stays the same JSON but for strings, and the same bytes where nothing is secret.
func FuzzCleanJSON(f *testing.F) {
	for _, seed := range []string{
		`{"dataSources":[{"name":"D","password":"x","connectionString":"Password=x"}]}`, `{"credential":{"Key":"k","a":[{"b":"c"}]},"x":1e9}`,
		"\ufeff[\"credential\", {\"password\": {\"password\": \"x\"}}]", `{"a":`, `"password"`, `{"password":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		cleaned, credentials := cleanJSON(content, map[string]string{"Password=x": ""})
		valid := json.Valid(bytes.TrimPrefix(content, []byte("\ufeff")))
		if valid && !json.Valid(bytes.TrimPrefix(cleaned, []byte("\ufeff"))) {
			t.Errorf("%q becomes %q", content, cleaned)
		}
		if !credentials && !strings.Contains(string(content), "Password=x") && !bytes.Contains(content, []byte(`\`)) && !bytes.Equal(content, cleaned) {
			t.Errorf("%q becomes %q without a reason", content, cleaned)
		}
		if again, _ := cleanJSON(cleaned, map[string]string{"Password=x": ""}); valid && !bytes.Equal(again, cleaned) {
			t.Errorf("%q becomes %q, then %q", content, cleaned, again)
		}
	})
}
