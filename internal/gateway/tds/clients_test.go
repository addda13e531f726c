package tds

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// client finds a program of a real client. A test whose client is missing is skipped, aloud; make clients installs it and lets none be missing.
func client(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program)
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("FRESHET_REQUIRE_CLIENTS") != "" {
		t.Fatalf("%s is missing: make clients installs it", what)
	}
	t.Skipf("SKIPPED: %s is missing; make clients installs it and runs this test", what)
}

// freeTDS is the environment of FreeTDS's clients, with the bench as the server "bench".
func (b *bench) freeTDS(t *testing.T, version, encryption string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "freetds.conf")
	conf := fmt.Sprintf("[global]\ntext size = 64512\n[bench]\nhost = 127.0.0.1\nport = %d\ntds version = %s\nencryption = %s\nclient charset = UTF-8\n", b.port, version, encryption)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "FREETDSCONF="+file, "LC_ALL=C.UTF-8", "TDSVER="+version)
}

// run runs a client with its input and returns what it printed, in both streams.
func run(t *testing.T, environment []string, input, program string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	command.Env, command.Stdin, command.WaitDelay = environment, strings.NewReader(input), time.Second
	out, err := command.CombinedOutput()
	return string(out), err
}

// TestC5FreeTDS runs FreeTDS's command lines at every version of the protocol and every encryption.
func TestC5FreeTDS(t *testing.T) {
	tsql, bsqldb := client(t, "tsql"), client(t, "bsqldb")
	b := serve(t, EncryptLogin, nil)
	for _, version := range []string{"7.1", "7.2", "7.3", "7.4"} {
		for _, encryption := range []string{"off", "request", "require"} {
			t.Run(version+"/"+encryption, func(t *testing.T) {
				environment := b.freeTDS(t, version, encryption)
				out, err := run(t, environment, "select text\ngo\nrun messages\ngo\nrun fail\ngo\nrun two\ngo\nselect types\ngo\nselect nulls\ngo\nselect login\ngo\nuse [other]\ngo\nexit\n",
					tsql, "-S", "bench", "-U", plainUser, "-P", plainUser, "-D", "retail", "-o", "q")
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				for _, want := range []string{"Größe 日本", "halfway: 50 %", "Msg 50123 (severity 15, state 7) from Freshet Line 3", "cannot do it: Größe",
					"-9223372036854775808", "-922337203685477.5807", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "Größe €", "Größe 日本 😀", strings.Repeat("v", 9000), strings.Repeat("ü日", 5000),
					"plain\tretail\t"} {
					if !strings.Contains(out, want) {
						t.Errorf("tsql has not %.60q:\n%.3000s", want, out)
					}
				}
				out, err = run(t, environment, "select text\ngo\nrun two\ngo\nrows 3000\ngo\n", bsqldb, "-S", "bench", "-U", plainUser, "-P", plainUser, "-D", "retail", "-h")
				if err != nil || !strings.Contains(out, "Größe 日本") || !strings.Contains(out, "3000") {
					t.Errorf("bsqldb: %v\n%.2000s", err, out)
				}
			})
		}
	}
	if out, err := run(t, b.freeTDS(t, "7.4", "request"), "", tsql, "-S", "bench", "-U", "nobody", "-P", "wrong-secret"); err == nil || !strings.Contains(out, "Login failed for user 'nobody'") {
		t.Errorf("a wrong login: %v\n%s", err, out)
	}
}

// TestC5FreeTDSEncryption has FreeTDS meet servers that want more, or less, than it asks for.
func TestC5FreeTDSEncryption(t *testing.T) {
	tsql := client(t, "tsql")
	for server, of := range map[Encryption]map[string]string{
		EncryptLogin:    {"off": "false", "request": "true", "require": "true"},
		EncryptRequired: {"off": "", "request": "true", "require": "true"},
		EncryptStrict:   {"off": "", "request": "", "require": ""}, // this FreeTDS has no 8.0
		EncryptOff:      {"off": "false", "request": "false", "require": ""},
	} {
		b := serve(t, server, nil)
		for asked, want := range of {
			out, err := run(t, b.freeTDS(t, "7.4", asked), "select login\ngo\nexit\n", tsql, "-S", "bench", "-U", plainUser, "-P", plainUser, "-o", "q")
			if want == "" && err == nil || want != "" && (err != nil || !strings.Contains(out, "\t"+want)) {
				t.Errorf("server %d, client %s: want %q: %v\n%s", server, asked, want, err, out)
			}
		}
	}
}

// TestC5ODBC runs isql over unixODBC and FreeTDS's driver, which prepares every statement and asks for catalogs by procedures.
func TestC5ODBC(t *testing.T) {
	isql := client(t, "isql")
	drivers, _ := filepath.Glob("/usr/lib/*/odbc/libtdsodbc.so")
	if len(drivers) == 0 {
		missing(t, "tdsodbc")
	}
	b := serve(t, EncryptLogin, nil)
	for _, version := range []string{"7.1", "7.2", "7.3", "7.4"} {
		for _, encryption := range []string{"off", "request", "require"} {
			t.Run(version+"/"+encryption, func(t *testing.T) {
				folder := t.TempDir()
				ini := fmt.Sprintf("[bench]\nDriver = %s\nServer = 127.0.0.1\nPort = %d\nTDS_Version = %s\nEncryption = %s\nDatabase = retail\nClientCharset = UTF-8\n", drivers[0], b.port, version, encryption)
				if err := os.WriteFile(filepath.Join(folder, "odbc.ini"), []byte(ini), 0o600); err != nil {
					t.Fatal(err)
				}
				environment := append(b.freeTDS(t, version, encryption), "ODBCINI="+filepath.Join(folder, "odbc.ini"), "ODBCSYSINI="+folder)
				out, err := run(t, environment, "select text\nselect login\nrun two\nrun fail\nselect nulls\nselect 1\nhelp\nselect rows 500\nquit\n", isql, "bench", plainUser, plainUser, "-b", "-v", "-d|")
				if err != nil {
					t.Errorf("isql: %v", err)
				}
				for _, want := range []string{"Größe 日本", "plain|retail|", "cannot do it: Größe", "refresh_dataflow", "500"} {
					if !strings.Contains(out, want) {
						t.Errorf("isql has not %q:\n%.3000s", want, out)
					}
				}
				if out, err := run(t, environment, "", isql, "bench", "nobody", "wrong-secret", "-b", "-v"); err == nil || !strings.Contains(out, "Login failed for user 'nobody'") {
					t.Errorf("a wrong login: %v\n%s", err, out)
				}
			})
		}
	}
}

// TestC5Node runs tedious and mssql of npm; testdata/clients.js is what they do.
func TestC5Node(t *testing.T) {
	node, modules := client(t, "node"), os.Getenv("FRESHET_TEST_MSSQL_NPM")
	if modules == "" {
		missing(t, "npm's mssql")
	}
	b := serve(t, EncryptLogin, nil)
	type options map[string]any
	// What a connection asks for, and whether its password came by TLS.
	connections, encrypted := map[string]options{
		"plain": {"encrypt": false}, "tls": {"encrypt": true}, "strict": {"encrypt": "strict"}, "small": {"encrypt": true, "packetSize": 512},
		"7.1": {"encrypt": false, "tdsVersion": "7_1"}, "7.2": {"encrypt": false, "tdsVersion": "7_2"}, "7.3": {"encrypt": true, "tdsVersion": "7_3_B"},
	}, map[string]bool{"tls": true, "strict": true, "small": true, "7.3": true}
	description, err := json.Marshal(options{"host": "127.0.0.1", "port": b.port, "user": toyUser, "password": toyPassword, "ca": b.ca, "tedious": connections, "mssql": []bool{true, false}})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), node, "testdata/clients.js", string(description))
	command.Env, command.WaitDelay = append(os.Environ(), "NODE_PATH="+modules), time.Second
	var complaints strings.Builder
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	// same compares a value of the answer, at a path, with JSON.
	var all map[string]any
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %.1000s", err, out)
	}
	same := func(want string, path ...string) {
		t.Helper()
		var expected any
		if err := json.Unmarshal([]byte(want), &expected); err != nil {
			t.Fatalf("%v: %s", err, want)
		}
		got := any(all)
		for _, step := range path {
			inner, ok := got.(map[string]any)
			if !ok {
				t.Errorf("%s: %v", strings.Join(path, " "), all[path[0]])
				return
			}
			got = inner[step]
		}
		if !reflect.DeepEqual(got, expected) {
			text, _ := json.Marshal(got)
			t.Errorf("%s is %.1000s, want %.1000s", strings.Join(path, " "), text, want)
		}
	}
	for name := range connections {
		text, long, binary, max := `["date","Date",null],["time","Time",null],["datetime","DateTimeN",8],["smalldatetime","DateTimeN",4],["datetime2","DateTime2",null],["datetimeoffset","DateTimeOffset",null],`,
			`"VarChar",65535`, `"VarBinary",65535`, `"NVarChar",65535`
		if name == "7.1" || name == "7.2" { // older than those types
			text = `["date","NVarChar",20],["time","NVarChar",32],["datetime","DateTimeN",8],["smalldatetime","DateTimeN",4],["datetime2","NVarChar",54],["datetimeoffset","NVarChar",68],`
		}
		if name == "7.1" {
			long, binary, max = `"Text",2147483647`, `"Image",2147483647`, `"NText",2147483647`
		}
		types, ok := all[name].(map[string]any)
		if !ok || types["types"] == nil {
			t.Errorf("%s: %v", name, all[name])
			continue
		}
		result := types["types"].(map[string]any)["results"].([]any)[0].(map[string]any)
		all[name+" columns"] = result["columns"]
		same(`[["bit","BitN",1],["tinyint","IntN",1],["smallint","IntN",2],["int","IntN",4],["bigint","IntN",8],["real","FloatN",4],["float","FloatN",8],["decimal","DecimalN",9],
			["money","MoneyN",8],["smallmoney","MoneyN",4],["char","Char",5],["varchar","VarChar",200],["nchar","NChar",10],["nvarchar","NVarChar",100],["binary","Binary",4],["varbinary","VarBinary",20],
			["uniqueidentifier","UniqueIdentifier",16],`+text+`["varchar(max)",`+long+`],["nvarchar(max)",`+max+`],["varbinary(max)",`+binary+`]]`, name+" columns")
		row := result["rows"].([]any)[0].([]any)
		all[name+" row"] = append(append([]any{}, row[:6]...), row[11], row[13], row[16])
		same(`[true,255,-32768,-2147483648,"-9223372036854775808",1.5,"Größe €","Größe 日本 😀","6F9619FF-8B86-D011-B42D-00C04FC964FF"]`, name+" row")
		if nulls := types["nulls"].(map[string]any)["results"].([]any)[0].(map[string]any)["rows"].([]any)[0].([]any); !reflect.DeepEqual(nulls, make([]any, len(everyType()))) {
			t.Errorf("%s: nulls are %v", name, nulls)
		}
		all[name+" login"] = types["login"].(map[string]any)["results"].([]any)[0].(map[string]any)["rows"]
		same(fmt.Sprintf(`[["%s","retail","Tedious","%t"]]`, toyUser, encrypted[name]), name+" login")
		same(`{"results":[{"columns":[["n","IntN",4]],"rows":[[1],[2]]},{"columns":[["n","IntN",4]],"rows":[[1]]}],"messages":[],"outputs":{},"rows":3}`, name, "two")
		same(`{"message":"cannot do it: Größe","number":50123,"state":7,"class":15,"code":"EREQUEST"}`, name, "error", "error")
		same(`{"results":[],"messages":["halfway: 50 %"],"outputs":{},"rows":3}`, name, "message")
		echo := types["echo"].(map[string]any)["results"].([]any)[0].(map[string]any)["rows"].([]any)[0].([]any)
		all[name+" echo"] = echo[:11]
		same(`["aaaaaaaa-bbbb","Größe 日本",-5,"9007199254740993",2.5,true,12.5,"6F9619FF-8B86-D011-B42D-00C04FC964FF","2026-02-28T12:00:00.000Z",{"type":"Buffer","data":[1,2]},null]`, name+" echo")
		if echo[11] != strings.Repeat("ü", 500000) {
			t.Errorf("%s: a long text did not come back", name)
		}
		same(`{"results":[{"columns":[["n","IntN",4]],"rows":[[1]]}],"messages":[],"outputs":{"Kept":7},"rows":1}`, name, "procedure")
		all[name+" prepared"] = types["prepared"].(map[string]any)["results"].([]any)[0].(map[string]any)["rows"]
		same(`[["once"]]`, name+" prepared")
		same(`{"results":[{"columns":[["n","IntN",4]],"rows":3000}],"messages":[],"outputs":{},"rows":3000}`, name, "many")
		same(`"ECANCEL"`, name, "cancelled", "error", "code")
		same(`["waiting"]`, name, "cancelled", "messages")
		same(`{"results":[{"columns":[["n","IntN",4]],"rows":[[1]]}],"messages":[],"outputs":{},"rows":1}`, name, "after")
		same(`{"results":[{"columns":[["n","IntN",4]],"rows":[[1]]}],"messages":[],"outputs":{},"rows":1}`, name, "reset")
	}
	for _, name := range []string{"mssql true", "mssql false"} {
		same(`{"simple":[{"param1":"Größe","param2":5}],"one":[{"Id":"one"}],"two":[{"Id":"two"}],"inside":[{"n":1}],"error":{"message":"cannot do it: Größe","number":50123,"state":7,"class":15,"line":3},
			"status":0,"rows":[{"n":1}]}`, name)
	}
	same(`{"failed":"Login failed for user '`+toyUser+`'."}`, "wrong")
}
