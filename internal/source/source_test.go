package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/goccy/go-yaml"
)

func TestPasswordsAreNeverPrinted(t *testing.T) {
	setting := Setting{Kind: "PostgreSQL", Path: "localhost:5432;sales", Username: "etl", Password: "hunter2"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "setting", setting, "pointer", &setting, "list", []Setting{setting})
	asJSON, err := json.Marshal([]Setting{setting})
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal([]Setting{setting})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{log.String(), string(asJSON), string(asYAML), setting.String(), fmt.Sprint(&setting)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, setting), fmt.Sprintf(verb, []Setting{setting}), fmt.Sprintf(verb, struct{ Source Setting }{setting}))
	}
	for _, text := range texts {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Error(text)
		}
	}
	if got := fmt.Sprintf("%v", setting); got != "PostgreSQL 'localhost:5432;sales' as etl" {
		t.Error(got)
	}
	if got := setting.Scrub("user etl, password hunter2"); got != "user etl, password ***" {
		t.Error(got)
	}
}

func TestProperties(t *testing.T) {
	for _, c := range []struct {
		text string
		want map[string]string
	}{
		{"Host=db;Port=5433", map[string]string{"host": "db", "port": "5433"}},
		{" Data Source = db ; Initial Catalog=x;", map[string]string{"datasource": "db", "initialcatalog": "x"}},
		{`Password='a;b''c';Host="d""e";Driver={Postgre}}SQL}`, map[string]string{"password": "a;b'c", "host": `d"e`, "driver": "Postgre}SQL"}},
		{"Password='never closed;Host=x", map[string]string{"password": "never closed;Host=x"}},
		{"nothing", map[string]string{}},
		{";;a=1;;b=", map[string]string{"a": "1", "b": ""}},
	} {
		if got := Properties(c.text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %q", c.text, got)
		}
	}
}

// Text is the same in whatever pieces it is read.
func TestDecodeInPieces(t *testing.T) {
	for _, c := range []struct {
		codePage   int
		text, want string
	}{
		{UTF8, "aé日🎉z", "aé日🎉z"},
		{UTF8, "a\xe2\x82z\xf0\x9f\x8e", "a\uFFFDz\uFFFD"},
		{UTF8, "\xef\xbb\xbfé", "é"},
		{1252, "\x80uro\xe9", "€uroé"},
		{1200, "a\x00\xe9\x00", "aé"},
		{1252, "\xfe\xff\x00a", "a"},
		{20127, "a\xe9", "a?"},
		{936, "\xc4\xe3", "你"},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader} {
			r, err := Decode(wrap(strings.NewReader(c.text)), c.codePage)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(iotest.OneByteReader(r)); err != nil || string(got) != c.want {
				t.Errorf("%d %q by %s: %q %v", c.codePage, c.text, name, got, err)
			}
		}
	}
	long := strings.Repeat("aé日🎉", 50_000)
	r, err := Decode(strings.NewReader(long), UTF8)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != long {
		t.Errorf("%d bytes of %d, %v", len(got), len(long), err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfa\xe2\x82"), 65001)
	f.Add([]byte("\xff\xfea"), 1252)
	f.Fuzz(func(t *testing.T, text []byte, codePage int) {
		whole, err := Decode(bytes.NewReader(text), codePage)
		if err != nil {
			return
		}
		a, err := io.ReadAll(whole)
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := Decode(iotest.OneByteReader(bytes.NewReader(text)), codePage)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(pieces); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%q: %q and %q, %v", text, a, b, err)
		}
	})
}
