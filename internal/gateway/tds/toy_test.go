package tds

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	toyUser     = "etl"
	toyPassword = "Sä日ret;{9}"
	plainUser   = "plain" // for clients whose command line is not the place for such a password
)

// toy is a session that knows a few statements, each of which shows one thing.
type toy struct {
	bench *bench
	login Login
}

// bench is a server with the toy session on loopback.
type bench struct {
	address  string
	port     int
	ca       string // file of its certificate
	started  chan string
	released chan struct{}
	ended    chan error // how a statement that waited has ended
	requests chan gateway.Request
	log      *strings.Builder
	logMu    sync.Mutex
	closed   chan struct{} // one for each session that was closed
	shutdown context.CancelFunc
	stopped  chan struct{} // when Serve has returned
}

func (b *bench) Write(p []byte) (int, error) {
	b.logMu.Lock()
	defer b.logMu.Unlock()
	return b.log.Write(p)
}

func (b *bench) logged() string {
	b.logMu.Lock()
	defer b.logMu.Unlock()
	return b.log.String()
}

// serve starts a bench; change, which may be nil, changes its server.
func serve(t *testing.T, encryption Encryption, change func(*Server)) *bench {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := serveOn(t, listener, encryption, change)
	b.address, b.port = listener.Addr().String(), listener.Addr().(*net.TCPAddr).Port
	return b
}

// serveOn starts a bench on a listener.
func serveOn(t *testing.T, listener net.Listener, encryption Encryption, change func(*Server)) *bench {
	t.Helper()
	b := &bench{started: make(chan string, 100), released: make(chan struct{}), ended: make(chan error, 100), requests: make(chan gateway.Request, 10000),
		log: &strings.Builder{}, closed: make(chan struct{}, 1000), stopped: make(chan struct{})}
	certificate, file := certificate(t)
	b.ca = file
	server := &Server{Authenticate: b.authenticate, Encryption: encryption, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}},
		Log: slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if encryption == EncryptOff {
		server.TLS = nil
	}
	if change != nil {
		change(server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.shutdown = cancel
	go func() {
		defer close(b.stopped)
		if err := server.Serve(ctx, listener); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-b.stopped
		for _, secret := range []string{toyPassword, "Sä", "wrong-secret"} {
			if strings.Contains(b.logged(), secret) {
				t.Errorf("the log has a password:\n%s", b.logged())
			}
		}
		if text := b.logged(); strings.Contains(text, "a defect ended") && !strings.Contains(text, "on purpose") {
			t.Errorf("a connection ended by a panic:\n%s", text)
		}
	})
	return b
}

// certificate makes a certificate for localhost, and a file of it.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func (b *bench) authenticate(_ context.Context, login Login) (Session, string, error) {
	switch {
	case login.User == toyUser && login.Password == toyPassword, login.User == plainUser && login.Password == plainUser:
	case login.User == "locked":
		return nil, "", fault.New(fault.Denied, "Locked", "cannot log in: the profile is locked")
	default:
		return nil, "", &gateway.Error{Message: gateway.Message{Number: 18456, State: 8, Class: 14, Text: "Login failed for user '" + login.User + "'."}}
	}
	database := login.Database
	if database == "" {
		database = "sales"
	}
	return &toy{b, login}, database, nil
}

func (t *toy) Close() { t.bench.closed <- struct{}{} }

// everyType has a column of every type, in the order of the kinds.
func everyType() []gateway.Column {
	return []gateway.Column{
		{Name: "bit", Type: gateway.Type{Kind: gateway.Bit}}, {Name: "tinyint", Type: gateway.Type{Kind: gateway.TinyInt}}, {Name: "smallint", Type: gateway.Type{Kind: gateway.SmallInt}},
		{Name: "int", Type: gateway.Type{Kind: gateway.Int}}, {Name: "bigint", Type: gateway.Type{Kind: gateway.BigInt}}, {Name: "real", Type: gateway.Type{Kind: gateway.Real}},
		{Name: "float", Type: gateway.Type{Kind: gateway.Float}}, {Name: "decimal", Type: gateway.Type{Kind: gateway.Decimal, Precision: 19, Scale: 4}},
		{Name: "money", Type: gateway.Type{Kind: gateway.Money}}, {Name: "smallmoney", Type: gateway.Type{Kind: gateway.SmallMoney}},
		{Name: "char", Type: gateway.Type{Kind: gateway.Char, Length: 5}}, {Name: "varchar", Type: gateway.Type{Kind: gateway.Varchar, Length: 200}},
		{Name: "nchar", Type: gateway.Type{Kind: gateway.NChar, Length: 5}}, {Name: "nvarchar", Type: gateway.Type{Kind: gateway.NVarchar, Length: 50}},
		{Name: "binary", Type: gateway.Type{Kind: gateway.Binary, Length: 4}}, {Name: "varbinary", Type: gateway.Type{Kind: gateway.Varbinary, Length: 20}},
		{Name: "uniqueidentifier", Type: gateway.Type{Kind: gateway.Unique}}, {Name: "date", Type: gateway.Type{Kind: gateway.Date}},
		{Name: "time", Type: gateway.Type{Kind: gateway.Time, Scale: 7}}, {Name: "datetime", Type: gateway.Type{Kind: gateway.DateTime}},
		{Name: "smalldatetime", Type: gateway.Type{Kind: gateway.SmallDateTime}}, {Name: "datetime2", Type: gateway.Type{Kind: gateway.DateTime2, Scale: 3}},
		{Name: "datetimeoffset", Type: gateway.Type{Kind: gateway.DateTimeOffset, Scale: 7}},
		{Name: "varchar(max)", Type: gateway.Type{Kind: gateway.Varchar}}, {Name: "nvarchar(max)", Type: gateway.Type{Kind: gateway.NVarchar}}, {Name: "varbinary(max)", Type: gateway.Type{Kind: gateway.Varbinary}},
	}
}

// moment is the time in everyValue.
func moment() time.Time {
	return time.Date(2026, 2, 28, 23, 59, 58, 123_000_000, time.FixedZone("", 2*60*60))
}

func everyValue() []any {
	at := moment()
	return []any{true, int64(255), int64(-32768), int64(-2147483648), int64(-9223372036854775808), 1.5, 1e300, "-922337203685477.5807", "922337203685477.5807", "-214748.3648",
		"ab", "Größe €", "日", "Größe 日本 😀", []byte{1, 2}, []byte{0xFF, 0, 1}, "6F9619FF-8B86-D011-B42D-00C04FC964FF", at, at, at, at, at, at,
		strings.Repeat("v", 9000), strings.Repeat("ü日", 5000), []byte(strings.Repeat("\x00\xFF", 6000))}
}

// toyColumns are those of a statement; nil: it has no result.
func toyColumns(request gateway.Request) []gateway.Column {
	if request.Procedure == "sp_tables" {
		return []gateway.Column{{Name: "TABLE_NAME", Type: gateway.Type{Kind: gateway.NVarchar, Length: 128}}}
	}
	switch text := strings.Join(strings.Fields(strings.ToLower(request.Text)), " "); {
	case text == "select types", text == "select nulls":
		return everyType()
	case strings.HasPrefix(text, "select echo"):
		columns := []gateway.Column{}
		for i, p := range request.Params {
			columns = append(columns, gateway.Column{Name: strings.TrimPrefix(p.Name, "@"), Type: p.Type})
			if columns[i].Name == "" {
				columns[i].Name = "unnamed"
			}
			if p.Type.Kind == gateway.Unknown {
				columns[i].Type = gateway.Type{Kind: gateway.Int}
			}
		}
		return columns
	}
	return []gateway.Column{{Name: "n", Type: gateway.Type{Kind: gateway.Int}, NotNull: true}}
}

func (t *toy) Describe(_ context.Context, request gateway.Request) ([]gateway.Column, error) {
	words := strings.Fields(strings.ToLower(request.Text))
	if len(words) > 0 && words[len(words)-1] == "fail" {
		return nil, &gateway.Error{Message: gateway.Message{Number: 50123, State: 7, Class: 15, Text: "cannot describe it"}}
	}
	if len(words) > 0 && words[0] == "select" {
		return toyColumns(request), nil
	}
	return nil, nil
}

func (t *toy) Run(ctx context.Context, request gateway.Request, results gateway.Results) error {
	t.bench.requests <- request
	rows := func(n int) error {
		if err := results.Columns(toyColumns(request)); err != nil {
			return err
		}
		for i := range n {
			if err := results.Row([]any{int64(i + 1)}); err != nil {
				return err
			}
		}
		return results.Done(-1)
	}
	if request.Procedure != "" {
		switch request.Procedure {
		case resetProcedure:
			return results.Database("sales")
		case "sp_tables":
			if err := results.Columns(toyColumns(request)); err != nil {
				return err
			}
			return firstOf(results.Row([]any{"refresh_dataflow"}), results.Done(-1))
		case "refresh_dataflow":
			return rows(1)
		}
		return &gateway.Error{Message: gateway.Message{Number: 2812, State: 62, Class: 16, Text: "Could not find stored procedure '" + request.Procedure + "'."}}
	}
	words := strings.Fields(strings.ToLower(strings.TrimRight(strings.TrimSpace(request.Text), ";")))
	switch text := strings.Join(words, " "); {
	case strings.HasPrefix(text, "select types"):
		return firstOf(results.Columns(everyType()), results.Row(everyValue()), results.Done(-1))
	case strings.HasPrefix(text, "select nulls"):
		return firstOf(results.Columns(everyType()), results.Row(make([]any, len(everyType()))), results.Done(-1))
	case strings.HasPrefix(text, "select echo"):
		values := []any{}
		for _, p := range request.Params {
			values = append(values, p.Value)
		}
		return firstOf(results.Columns(toyColumns(request)), results.Row(values), results.Done(-1))
	case text == "select login":
		columns := []gateway.Column{}
		for _, name := range []string{"user", "database", "application", "encrypted"} {
			columns = append(columns, gateway.Column{Name: name, Type: gateway.Type{Kind: gateway.NVarchar, Length: 4000}})
		}
		return firstOf(results.Columns(columns), results.Row([]any{t.login.User, t.login.Database, t.login.Application, strconv.FormatBool(t.login.Encrypted)}), results.Done(-1))
	case text == "select text":
		return firstOf(results.Columns([]gateway.Column{{Name: "text", Type: gateway.Type{Kind: gateway.NVarchar, Length: 50}}}), results.Row([]any{"Größe 日本"}), results.Row([]any{nil}), results.Done(-1))
	case text == "select too long":
		return firstOf(results.Columns([]gateway.Column{{Name: "short", Type: gateway.Type{Kind: gateway.NVarchar, Length: 3}}}), results.Row([]any{"abc"}), results.Row([]any{"abcd"}))
	case text == "select too many":
		return results.Columns(make([]gateway.Column, maxColumns+1))
	case text == "run two":
		if err := rows(2); err != nil {
			return err
		}
		return rows(1)
	case text == "run messages":
		return firstOf(results.Info(gateway.Message{Number: 50001, State: 2, Class: 0, Text: "halfway: 50 %"}), results.Done(3))
	case text == "run wait":
		err := results.Info(gateway.Message{Number: 50001, State: 1, Text: "waiting"})
		t.bench.started <- text
		if err == nil {
			select {
			case <-ctx.Done():
				err = context.Cause(ctx)
			case <-t.bench.released:
				err = rows(1)
			}
		}
		t.bench.ended <- err
		return err
	case strings.HasPrefix(text, "run fail"):
		return &gateway.Error{Message: gateway.Message{Number: 50123, State: 7, Class: 15, Text: "cannot do it: Größe", Line: 3}}
	case strings.HasPrefix(text, "run late fail"):
		if err := rows(2); err != nil {
			return err
		}
		return fault.New(fault.Unavailable, "CallFailed", "cannot reach the service").WithHint("Try again")
	case text == "run defect":
		return fmt.Errorf("secret of the inside")
	case text == "run panic":
		panic("on purpose")
	case strings.HasPrefix(text, "use "):
		return firstOf(results.Database(strings.Trim(words[1], "[]")), results.Done(-1))
	case strings.HasPrefix(text, "rows "), strings.HasPrefix(text, "select rows "):
		n, err := strconv.Atoi(words[len(words)-1])
		if err != nil {
			return err
		}
		return rows(n)
	case strings.HasPrefix(text, "select"):
		return rows(1)
	}
	return results.Done(-1)
}

// firstOf is the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
