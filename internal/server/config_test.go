package server

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/notify"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/source"
)

func decode(t *testing.T, text string) (Config, error) {
	t.Helper()
	return decodeConfig([]byte(text), "/etc/freshet", func(name string) (string, bool) {
		value, set := map[string]string{"PGPASSWORD": "s3cret: [x", "EMPTY": "", "HOOKSECRET": "a secret of twenty-four bytes"}[name]
		return value, set
	})
}

func TestConfigDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}\n"} {
		got, err := decode(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		want := DefaultConfig()
		want.Data = "/etc/freshet/data"
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %+v", text, got)
		}
	}
}

func TestConfigDecodes(t *testing.T) {
	got, err := decode(t, `
listen: "[::1]:9000"
data: /srv/freshet
spill: scratch
auth: {mode: none}
dataSources:
  - {kind: File, path: /srv/exports}
  - {kind: PostgreSQL, path: "localhost:5432;sales", username: etl, password: "${env:PGPASSWORD}${env:EMPTY}", maxConnections: 8, options: {sslmode: disable}}
capacities: [{name: big, memory: 4GiB, maxConcurrentRefreshes: 4}, {name: small, memory: 1.5GB}]
models:
  - {name: Sales/Retail, guards: {failWhenEmpty: true, leastShareOfRows: 0.8, tables: {Orders: {leastShareOfRows: 1}, Log: {failWhenEmpty: false}}}}
  - {name: 5B4F1D3E-0000-4000-8000-000000000001, notifications: {on: completion, webhooks: [ops]}}
  - {name: Sales/Silent, notifications: {}}
keepVersions: 90m
keepFinishedFor: 0s
minFreeDisk: 200MiB
retryAll: true
standardDetails: true
limits: {requestsPerMinute: 600, refreshesPerHour: 0}
keepHistory: 30d
notifications:
  webhooks: [{name: ops, url: "https://example.com/hook", secret: "${env:HOOKSECRET}", allowHTTP: true, allowPrivate: true}]
  mail: {host: smtp.example.com, port: 2525, security: tls, username: u, password: "${env:PGPASSWORD}", from: freshet@example.com}
  default: {on: failure, webhooks: [ops], mailTo: [ana@example.com]}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "[::1]:9000", Data: "/srv/freshet", Spill: "/etc/freshet/scratch", Auth: Auth{Mode: AuthNone},
		DataSources: []source.Setting{{Kind: "File", Path: "/srv/exports"},
			{Kind: "PostgreSQL", Path: "localhost:5432;sales", Username: "etl", Password: "s3cret: [x", MaxConnections: 8, Options: map[string]string{"sslmode": "disable"}}},
		Capacities: []Capacity{{Name: "big", Memory: 4294967296, MaxConcurrentRefreshes: 4}, {Name: "small", Memory: 1500000000}},
		Models: []Model{{Name: "Sales/Retail", Guards: Guards{FailWhenEmpty: true, LeastShareOfRows: 0.8, Tables: map[string]Guard{
			"Orders": {LeastShareOfRows: ptr(1.0)}, "Log": {FailWhenEmpty: ptr(false)}}}},
			{Name: "5B4F1D3E-0000-4000-8000-000000000001", Notifications: &notify.Audience{On: notify.OnCompletion, Webhooks: []string{"ops"}}},
			{Name: "Sales/Silent", Notifications: &notify.Audience{}}},
		KeepVersions: Duration(90 * time.Minute), MinFreeDisk: 200 << 20, RetryAll: true, StandardDetails: true,
		KeepHistory: Duration(720 * time.Hour), Limits: Limits{RequestsPerMinute: 600, Burst: 2000, Connections: 1000},
		Notifications: Notifications{
			Webhooks: []notify.Webhook{{Name: "ops", URL: "https://example.com/hook", Secret: "a secret of twenty-four bytes", AllowHTTP: true, AllowPrivate: true}},
			Mail:     notify.Mail{Host: "smtp.example.com", Port: 2525, Security: notify.TLS, Username: "u", Password: "s3cret: [x", From: "freshet@example.com"},
			Default:  notify.Audience{On: notify.OnFailure, Webhooks: []string{"ops"}, MailTo: []string{"ana@example.com"}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%#v\nwant\n%#v", got, want)
	}
}

func ptr[T any](value T) *T { return &value }

// F7: what a table's guard does not say is as the model's has it.
func TestConfigGuards(t *testing.T) {
	config, err := decode(t, "models: [{name: Sales/Retail, guards: {failWhenEmpty: true, leastShareOfRows: 0.8, tables: {Orders: {leastShareOfRows: 0.95}, Log: {failWhenEmpty: false, leastShareOfRows: 0}}}}]")
	if err != nil {
		t.Fatal(err)
	}
	want := []refresh.Guards{{Model: "Sales/Retail", Each: refresh.Guard{FailWhenEmpty: true, LeastShareOfRows: 0.8},
		Tables: map[string]refresh.Guard{"Orders": {FailWhenEmpty: true, LeastShareOfRows: 0.95}, "Log": {}}}}
	if got := config.guards(); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		"listen: 127.0.0.1:1\nkeepVersoins: 3h\n":   `line 2: there is no key "keepVersoins"; did you mean "keepVersions"?`,
		"\n\nauth:\n  mod: local\n":                 `line 4: there is no key "mod"; did you mean "mode"?`,
		"dataSources:\n  - {kind: File, pth: /x}\n": `line 2: there is no key "pth"; did you mean "path"?`,
		"capacities: [{name: a, memory: lots}]\n":   `line 1: capacities[0].memory: "lots" is not a size`,
		"keepVersions: 3 days\n":                    `line 1: keepVersions: "3 days" is not a duration`,
		"listen: 8480\n":                            `"8480" is not HOST:PORT`,
		"listen: [1\n":                              `line 1: `,
		"\nlisten: [1]\n":                           `line 2: listen must be a text`,
		"limits: {burst: many}\n":                   `line 1: limits.burst must be a whole number`,
		"limits: 3\n":                               `line 1: limits must be made of keys with values`,
		"evictedRetry: maybe\n":                     `line 1: evictedRetry must be true or false`,
		"models:\n  - name: a/b\n    guards: {leastShareOfRows: half}\n": `line 3: models[0].guards.leastShareOfRows must be a number`,
		"capacities: default\n":                                                  `line 1: capacities must be a list`,
		"auth: {mode: none}\nlisten: 0.0.0.0:8480\n":                             "not a loopback address",
		"auth: {mode: none}\nlisten: \":8480\"\n":                                "not a loopback address",
		"capacities: []\n":                                                       "at least one is needed",
		"capacities: [{name: a}, {name: A}]\n":                                   `two of the name "A"`,
		"capacities: [{memory: 1GiB}]\n":                                         "one has no name",
		"guards: {failWhenEmpty: true}\n":                                        `line 1: there is no key "guards"; it belongs at another place`,
		"models: [{name: Retail}]\n":                                             `"Retail" is neither WORKSPACE/NAME nor a GUID`,
		"models: [{name: a/b}, {name: A/B}]\n":                                   `two entries for "A/B"`,
		"models: [{name: a/b, guards: {leastShareOfRows: 80}}]\n":                `leastShareOfRows 80 is not a share from 0 to 1`,
		"models: [{name: a/b, guards: {leastShareOfRows: .nan}}]\n":              `is not a share from 0 to 1`,
		"models: [{name: a/b, guards: {tables: {T: {leastShareOfRows: -1}}}}]\n": `table "T": leastShareOfRows -1 is not a share`,
		"models: [{name: a/b, guards: {tables: {T: {}, t: {}}}}]\n":              `guards.tables has`,
		"models: [{name: a/b, guards: {failWhenEmtpy: true}}]\n":                 `did you mean "failWhenEmpty"?`,
		"notifications: {webhooks: [{nam: a}]}\n":                                `there is no key "nam"; did you mean "name"?`,
		"notifications: {default: {webhooks: [a]}}\n":                            `notifications: default: there is no webhook "a"`,
		"models: [{name: a/b, notifications: {on: success}}]\n":                  `notifications: of model "a/b": on is failure or completion, not "success"`,
		"data: \"\"\n":             "must be named",
		"limits: {burst: -1}\n":    "limits: none may be negative",
		"auth: {mode: kerberos}\n": `there is no mode "kerberos"`,
		"auth: {mode: entra}\n":    "auth.mode entra needs auth.tenant",
		"clients: [{id: etl}]\n":   `the id "etl" is not a GUID`,
		"clients: [{id: 0a000000-0000-4000-8000-000000000001, roles: {Sales: Boss}}]\n":              "cannot give the role 'Boss'",
		"auth: {mode: none}\nclients: [{id: 0a000000-0000-4000-8000-000000000001, secretHash: x}]\n": "the mode is none",
		"auth: {mode: local, administrators: [x]}\n":                                                 "belong to auth.mode entra",
		"auth: {mode: entra, tenant: x, administrators: [ana]}\n":                                    "\"ana\" is not an object id",
		"auth: {mode: local, tenant: x}\n":                                                           "belong to auth.mode entra",
		"\ndataSources: [{kind: PostgreSQL, password: \"${env:NOPE}\"}]\n":                           "line 2: cannot replace ${env:NOPE}: the environment variable NOPE is not set",
		"data: ${vault:x}\n":              "only ${env:NAME} and ${file:PATH} are known",
		"listen: a:1\n---\nlisten: b:1\n": "more than one document",
		"listen: a:1\nlisten: b:1\n":      "line 2: ",
	} {
		_, err := decode(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want %s", text, err, want)
		}
	}
}

// No error about the configuration prints a secret.
func TestConfigErrorsHoldNoSecret(t *testing.T) {
	_, err := decode(t, "dataSources:\n  - {kind: File, password: \"${env:PGPASSWORD}\", pat: /x}\n")
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestConfigFile(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("password", "pässword\n")
	config, err := ReadConfig(write("freshet.yaml", "data: store\ndataSources: [{kind: PostgreSQL, path: h, password: '${file:password}'}]\n"))
	if err != nil || config.DataSources[0].Password != "pässword" || config.Data != filepath.Join(folder, "store") {
		t.Errorf("got %+v, %v", config, err)
	}
	if _, err := ReadConfig(filepath.Join(folder, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a missing file gives %v", err)
	}
}

// freshet.example.yaml decodes and documents every key.
func TestExampleDocumentsEveryKey(t *testing.T) {
	content, err := os.ReadFile("../../freshet.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	example, err := decodeConfig(content, "/etc/freshet", func(string) (string, bool) { return strings.Repeat("x", 24), true })
	if err != nil {
		t.Fatal(err)
	}
	if example.Listen != DefaultListen || len(example.DataSources) == 0 {
		t.Errorf("the example is %+v", example)
	}
	if standard := DefaultConfig(); example.Limits != standard.Limits || example.KeepHistory != standard.KeepHistory {
		t.Errorf("the example has not the defaults: %+v", example)
	}
	for _, key := range keys(reflect.TypeFor[Config]()) {
		if !strings.Contains(string(content), key+":") {
			t.Errorf("freshet.example.yaml does not mention %s", key)
		}
	}
}
