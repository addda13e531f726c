package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
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
			var network *net.OpError
			if errors.As(err, &network) {
				text = network.Err.Error()
			}
			return fault.New(fault.Unavailable, source.CodeUnavailable, "cannot connect to %s: %s", place, scrub(text)).
				WithHint("Is the server up, and do host, port and sslmode fit?")
		}
		return fault.New(fault.Unavailable, source.CodeUnavailable, "cannot read from %s: the connection broke: %s", place, scrub(err.Error()))
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
	fail := func(kind fault.Kind, code, what string) error {
		e := fault.New(kind, code, "cannot %s %s: %s", what, place, text)
		e.Hint = hint
		return e
	}
	switch class := pgError.Code[:min(2, len(pgError.Code))]; {
	case class == "28":
		e := fault.New(fault.Denied, source.CodeCredentials, "cannot connect to %s as '%s': %s", place, c.cluster.setting.Username, text)
		return e.WithHint("Check username and password of the entry '%s' of dataSources.", c.cluster.setting.Path)
	case pgError.Code == "3D000":
		return fail(fault.NotFound, source.CodeNotFound, "connect to")
	case pgError.Code == "42501":
		return fail(fault.Denied, source.CodeCredentials, "read from")
	case class == "08", class == "53", class == "57", class == "58", class == "40":
		return fail(fault.Unavailable, source.CodeUnavailable, "read from")
	case class == "25":
		e := fault.New(fault.Invalid, source.CodeQuery, "cannot run a statement on %s: %s", place, text)
		return e.WithHint("Statements run in a READ ONLY transaction.")
	}
	return fail(fault.Invalid, source.CodeQuery, "run a statement on")
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
