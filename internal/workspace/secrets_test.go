package workspace_test

import (
	"bytes"
	"strings"
	"testing"

	"freshet.dev/internal/workspace"
)

// No secret of a data source is ever stored, and the deployment says that it was left out.
func TestSecretsAreNotStored(t *testing.T) {
	bim := func(dataSource string) map[string][]byte {
		return map[string][]byte{"model.bim": []byte(`{"name":"M","compatibilityLevel":1567,"model":{"dataSources":[` + dataSource + `],"tables":[{"name":"T",
			"columns":[{"name":"Password","dataType":"string","sourceColumn":"Password"}],
			"partitions":[{"name":"P","source":{"type":"m","expression":["let Password=1 in","#table({\"Password\"}, {})"]}}]}]}}`)}
	}
	tmdl := func(dataSource string) map[string][]byte {
		return map[string][]byte{
			"database.tmdl":    []byte("database\n\tcompatibilityLevel: 1567\n"),
			"model.tmdl":       []byte("model Model\n\tculture: en-US\n"),
			"dataSources.tmdl": []byte(dataSource),
			"tables/T.tmdl":    []byte("table T\n\tcolumn Password\n\t\tdataType: string\n\t\tsourceColumn: Password\n\n\tpartition P = m\n\t\tsource = #table({\"Password\"}, {})\n"),
		}
	}
	tests := []struct {
		name    string
		files   map[string][]byte
		keeps   string // what stays beside the secret
		warning string
	}{
		{"bim, plain", bim(`{"name":"D","connectionString":"Data Source=h;Initial Catalog=d;User ID=u;Password=hunter2"}`),
			`"connectionString":"Data Source=h;Initial Catalog=d;User ID=u;"`, "connection string"},
		{"bim, quoted, in the middle", bim(`{"name":"D","connectionString":"Host=h;PWD = \"hunter2;x\" ;Database=d","provider":"Npgsql"}`),
			`"connectionString":"Host=h;Database=d"`, "connection string"},
		{"bim, braces", bim(`{"name":"D","connectionString":"Driver={PostgreSQL};Server=h;pwd={hunter2;x};Database=d"}`),
			`"connectionString":"Driver={PostgreSQL};Server=h;Database=d"`, "connection string"},
		{"bim, property", bim(`{"name":"D","connectionString":"Host=h;Database=d","provider":"Npgsql","account":"u","password":"hunter2"}`),
			`"account":"u","password":""`, "credentials"},
		{"bim, structured", bim(`{"type":"structured","name":"D","connectionDetails":{"protocol":"postgresql","address":{"server":"h","database":"d"}},
			"credential":{"AuthenticationKind":"UsernamePassword","kind":"PostgreSQL","path":"h;d","Username":"u","Password":"hunter2","nested":{"Key":"hunter2"}}}`),
			`"Username":"u","Password":"","nested":{"Key":""}`, "credentials"},
		{"tmdl, plain", tmdl("dataSource D\n\tconnectionString: Data Source=h;Initial Catalog=d;Password=hunter2;User ID=u\n\timpersonationMode: impersonateServiceAccount\n"),
			"\tconnectionString: Data Source=h;Initial Catalog=d;User ID=u\n", "connection string"},
		{"tmdl, quoted", tmdl("dataSource D\n\tconnectionString: \"Host=h;Password=\"\"hunter2;x\"\";Database=d\"\n\tprovider: Npgsql\n"),
			"connectionString: \"Host=h;Database=d\"\n", "connection string"},
		{"tmdl, property", tmdl("dataSource D\n\tconnectionString: Host=h;Database=d\n\tprovider: Npgsql\n\tpassword: hunter2\n"),
			"\tpassword: \"\"\n", "credentials"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			d := b.deploy(ana, "", "M", tt.files)
			if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], tt.warning) || !strings.Contains(d.Warnings[0], "dataSources") {
				t.Errorf("warnings %q", d.Warnings)
			}
			export, err := b.Export(b.ctx, ana, d.Item.ID)
			b.must(err)
			found := false
			for name, content := range export.Files {
				if bytes.Contains(content, []byte("hunter2")) {
					t.Errorf("%s still has the secret: %s", name, content)
				}
				found = found || bytes.Contains(content, []byte(tt.keeps))
			}
			if !found {
				t.Errorf("%q is not in %s", tt.keeps, export.Files)
			}
			if strings.Contains(strings.Join(d.Warnings, ""), "hunter2") {
				t.Error("the warning tells the secret")
			}
			again := b.deploy(ana, "", "M", tt.files)
			if again.Item.Revision != 1 {
				t.Error("the same definition with its secret is another revision")
			}
		})
	}
}

func TestDefinitionsWithoutSecretsStayAsTheyAre(t *testing.T) {
	b := newBench(t)
	for _, connection := range []string{
		"Data Source=h;Initial Catalog=d;Persist Security Info=False", "Host=h;Password=;Database=d", "Host=h;Database=\\\"Password=1\\\"", ";;", "Integrated Security=SSPI",
	} {
		files := map[string][]byte{"model.bim": []byte(`{"name":"M","compatibilityLevel":1567,"model":{"dataSources":[{"name":"D","connectionString":"` + connection + `"}],"tables":[]}}`)}
		d, err := b.Deploy(b.ctx, ana, workspace.Deploy{Name: "M", Files: files})
		b.must(err)
		export, err := b.Export(b.ctx, ana, d.Item.ID)
		b.must(err)
		if len(d.Warnings) > 0 || !bytes.Equal(export.Files["model.bim"], files["model.bim"]) {
			t.Errorf("%s: warnings %q, stored %s", connection, d.Warnings, export.Files["model.bim"])
		}
	}
}
