package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

const (
	refusedTLS = "server refused TLS connection" // pgconn has no type for it
	retryHint  = "Refresh again when the server is back; with retryCount a refresh tries again by itself."
)

// failure says what an error of the driver or the server means. offset is how many characters of the statement sent stand before the
// text that the caller knows, statement; "" when the caller sent none.
func (c *conn) failure(ctx context.Context, err error, offset int, statement string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, errClosed) {
		return err
	}
	scrub := c.cluster.setting.Scrub
	place := "PostgreSQL '" + c.path + "'"
	var pgError *pgconn.PgError
	if !errors.As(err, &pgError) {
		var tooLong *pgproto3.ExceededMaxBodyLenErr
		if errors.As(err, &tooLong) {
			return fault.New(fault.Invalid, source.CodeData, "cannot read from %s: a row is longer than %d MiB", place, maxMessage>>20)
		}
		var connecting *pgconn.ConnectError
		if errors.As(err, &connecting) {
			// Its own text repeats user and database.
			text := connecting.Unwrap().Error()
			var unverified *tls.CertificateVerificationError
			var unknown *net.DNSError
			var network *net.OpError
			switch {
			case c.wantsTLS() && (errors.As(err, &unverified) || strings.Contains(text, refusedTLS)):
				return fault.New(fault.Denied, source.CodeCredentials, "cannot connect to %s: %s", place, scrub(text)).
					WithHint("Set up TLS at the server, or set the options sslmode and sslrootcert in the entry '%s' of dataSources.", c.cluster.setting.Path)
			case errors.As(err, &unknown):
				text = "the host " + unknown.Name + " is not found: " + unknown.Err
			case errors.As(err, &network):
				text = network.Err.Error()
			}
			return fault.New(fault.Unavailable, source.CodeUnavailable, "cannot connect to %s: %s", place, scrub(text)).
				WithHint("See that the server is up, and that the machine that runs Freshet reaches its host and port.")
		}
		return fault.New(fault.Unavailable, source.CodeUnavailable, "cannot read from %s: the connection broke: %s", place, scrub(err.Error())).
			WithHint(retryHint)
	}
	text := scrub(fmt.Sprintf("%s: %s (SQLSTATE %s)", pgError.Severity, pgError.Message, pgError.Code))
	if position := int(pgError.Position) - offset; statement != "" && pgError.Position > 0 && position > 0 {
		text += lineAndColumn(statement, position)
	}
	hint := scrub(strings.TrimSpace(strings.TrimSuffix(pgError.Detail, ".") + ". " + pgError.Hint))
	hint = strings.TrimPrefix(hint, ". ")
	if hint == "." {
		hint = ""
	}
	fail := func(kind fault.Kind, code, what, todo string) error {
		e := fault.New(kind, code, "cannot %s %s: %s", what, place, text)
		if e.Hint = hint; hint == "" {
			e.Hint = todo // the server's own hint knows more
		}
		return e
	}
	switch class := pgError.Code[:min(2, len(pgError.Code))]; {
	case class == "28":
		e := fault.New(fault.Denied, source.CodeCredentials, "cannot connect to %s as '%s': %s", place, c.cluster.setting.Username, text)
		return e.WithHint("Check username and password of the entry '%s' of dataSources.", c.cluster.setting.Path)
	case pgError.Code == "3D000":
		return fail(fault.NotFound, source.CodeNotFound, "connect to", "Check the database's name, and that it was not dropped.")
	case pgError.Code == "42501":
		return fail(fault.Denied, source.CodeCredentials, "read from",
			fmt.Sprintf("Let the server grant the right to '%s', or name another user in the entry '%s' of dataSources.", c.cluster.setting.Username, c.cluster.setting.Path))
	case pgError.Code == "57014":
		return fail(fault.Unavailable, source.CodeUnavailable, "read from",
			"Raise the server's statement_timeout for this user, read less in one partition, or ask who cancels statements there.")
	case class == "08", class == "53", class == "57", class == "58", class == "40":
		return fail(fault.Unavailable, source.CodeUnavailable, "read from", retryHint)
	case class == "25":
		e := fault.New(fault.Invalid, source.CodeQuery, "cannot run a statement on %s: %s", place, text)
		return e.WithHint("Statements run in a READ ONLY transaction.")
	}
	return fail(fault.Invalid, source.CodeQuery, "run a statement on", "Correct the partition's query or expression, or the view or data that it reads.")
}

// wantsTLS tells whether the configuration takes no connection without TLS. Else a refusal is one try of two, and the other one counts.
func (c *conn) wantsTLS() bool {
	switch c.cluster.setting.Options["sslmode"] {
	case "require", "verify-ca", "verify-full":
		return true
	}
	return false
}

// lineAndColumn tells where the character of a position, from 1, stands.
func lineAndColumn(statement string, position int) string {
	line, column, at := 1, 1, 1
	for _, r := range statement {
		if at == position {
			break
		}
		at++
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf(" at line %d, column %d", line, column)
}
