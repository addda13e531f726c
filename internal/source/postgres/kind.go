// Package postgres is the source kind PostgreSQL.
//
// Rows are extracted by COPY (SELECT …) TO STDOUT (FORMAT BINARY) and decoded straight into the buffers of Arrow arrays, in a READ ONLY
// transaction. How each type arrives is told in types.go.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"freshet.dev/internal/source"
)

const (
	defaultPort        = "5432"
	defaultConnections = 10
	defaultTLS         = "prefer"
)

// Kind returns the source kind PostgreSQL. Its paths are "host", "host:port", and after a ";" the database, whose name has case; a
// setting may leave the database out.
func Kind() source.Kind {
	return source.Kind{
		Name:           "PostgreSQL",
		Normalize:      normalize,
		Allows:         allows,
		Example:        example,
		FromConnection: fromConnection,
		Connect:        connect,
	}
}

func normalize(path string, setting bool) (string, error) {
	server, database, _ := strings.Cut(path, ";")
	host, port, err := splitServer(server)
	if err != nil {
		return "", err
	}
	database = strings.TrimSpace(database)
	if strings.ContainsAny(database, ";\x00") {
		return "", errors.New("the database's name holds a ';' or a zero byte")
	}
	path = net.JoinHostPort(strings.ToLower(host), port)
	if database != "" {
		return path + ";" + database, nil
	}
	if !setting {
		return "", errors.New("it names no database; its form is \"host:port;database\"")
	}
	return path, nil
}

func splitServer(server string) (host, port string, err error) {
	server = strings.TrimSpace(server)
	host, port = server, defaultPort
	if strings.HasPrefix(server, "[") && strings.HasSuffix(server, "]") {
		host = server[1 : len(server)-1]
	} else if strings.Count(server, ":") == 1 || strings.HasPrefix(server, "[") {
		if host, port, err = net.SplitHostPort(server); err != nil {
			return "", "", err
		}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", "", fmt.Errorf("'%s' is no port", port)
	}
	if host == "" {
		return "", "", errors.New("it names no server; its form is \"host:port;database\"")
	}
	if strings.ContainsAny(host, "/\\@?, \t\x00") {
		return "", "", fmt.Errorf("'%s' is no host name", host)
	}
	return host, port, nil
}

func allows(setting, asked string) bool {
	return setting == asked || !strings.Contains(setting, ";") && strings.HasPrefix(asked, setting+";")
}

func example(asked string) source.Setting {
	return source.Setting{Path: asked, Username: "…", Password: "${env:PGPASSWORD}"}
}

// fromConnection reads a structured source (postgresql) and the connection strings of Npgsql and of the OLE DB and ODBC drivers.
func fromConnection(c source.Connection) (string, bool) {
	if strings.EqualFold(c.Protocol, "postgresql") {
		return c.Address["server"] + ";" + c.Address["database"], true
	}
	if c.Protocol != "" {
		return "", false
	}
	properties := source.Properties(c.ConnectionString)
	first := func(keys ...string) string {
		for _, key := range keys {
			if properties[key] != "" {
				return properties[key]
			}
		}
		return ""
	}
	names := strings.ToLower(c.Provider + " " + first("provider", "driver"))
	if !slices.ContainsFunc([]string{"npgsql", "postgres", "pgnp", "psqlodbc"}, func(name string) bool { return strings.Contains(names, name) }) {
		return "", false
	}
	server := first("host", "server", "datasource", "location")
	if port := first("port"); port != "" && !strings.Contains(server, ":") {
		server += ":" + port
	}
	return server + ";" + first("database", "initialcatalog", "db"), true
}

// connect prepares a setting. Connections are made when they are needed.
func connect(setting source.Setting) (source.Server, error) {
	most := setting.MaxConnections
	if most < 0 {
		return nil, fmt.Errorf("maxConnections is %d", most)
	}
	if most == 0 {
		most = defaultConnections
	}
	server, _, _ := strings.Cut(setting.Path, ";")
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	options := map[string]string{"sslmode": defaultTLS, "connect_timeout": "15"}
	known := []string{"connect_timeout", "sslcert", "sslkey", "sslmode", "sslrootcert"}
	for key, value := range setting.Options {
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("PostgreSQL has no option '%s': the options are %s", key, strings.Join(known, ", "))
		}
		options[key] = value
	}
	options["host"], options["port"], options["user"] = host, port, setting.Username
	var words []string
	for key, value := range options {
		words = append(words, key+"='"+strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)+"'")
	}
	sort.Strings(words)
	config, err := pgxpool.ParseConfig(strings.Join(words, " "))
	if err != nil {
		return nil, errors.New(setting.Scrub(err.Error()))
	}
	// The environment of the process (PGPASSWORD, PGOPTIONS …) must not decide: what is not configured is not there.
	config.ConnConfig.Password = setting.Password
	config.ConnConfig.RuntimeParams = map[string]string{
		"application_name":              "freshet",
		"client_encoding":               "UTF8",
		"datestyle":                     "ISO",
		"default_transaction_read_only": "on",
		"standard_conforming_strings":   "on",
		"timezone":                      "UTC",
	}
	config.ConnConfig.BuildFrontend = wideFrontend
	config.ConnConfig.BuildContextWatcherHandler = cancelAtServer
	config.ConnConfig.MaxProtocolMessageBodyLen = maxMessage
	config.MaxConns = int32(most)
	config.MinConns = 0
	config.MaxConnIdleTime = 30 * time.Second
	config.HealthCheckPeriod = 15 * time.Second
	s := &cluster{setting: setting, config: config, places: semaphore.NewWeighted(int64(most)), pools: map[string]*pgxpool.Pool{}}
	s.closing, s.close = context.WithCancelCause(context.Background())
	return s, nil
}
