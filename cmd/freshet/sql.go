package main

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/fault"
)

// sqlFlags are the flags of the verb sql.
type sqlFlags struct {
	file       string
	parameters []string
	workspace  string
	columns    []string
}

func (a *app) sql() *cobra.Command {
	var flags sqlFlags
	cmd := &cobra.Command{
		Use:   `sql ["SELECT …"]`,
		Short: "Run SQL over the REST API: refresh, wait, look, from one statement",
		Long: `Run statements of the connector's SQL against Freshet or Power BI: SELECT * FROM refresh_dataflow WHERE Id = '…' refreshes a dataflow, waits for its end and
prints a row about it. SELECT * FROM endpoints lists what there is, endpoint_parameters how it is called; doc/connector.md is the reference of the dialect.

Without a statement and without --file it is read from the standard input. All statements are checked before the first is run. How a wait goes is told on
the standard error; interrupting it does not stop the refresh, unless the statement says CancelOnAbort='True'.

The results of several statements stand one after the other, with an empty line between them; as JSON each is an array of objects.

Exit codes: 2 the statement is wrong and nothing was called, 3 the refresh failed, 4 it did not end within MaxWaitSec, 1 anything else.`,
		Example: `  freshet sql "SELECT * FROM refresh_dataset WHERE DatasetName = 'Orders' AND WorkspaceName = 'Sales'"
  freshet sql "EXEC refresh_dataflow @Id, @WaitForCompletion = False" --param Id=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee --workspace Sales
  freshet sql --file nightly.sql --format json`,
		Args: usage(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := flags.text(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			arguments, err := flags.arguments()
			if err != nil {
				return err
			}
			client, err := a.connect()
			if err != nil {
				return err
			}
			options := connector.Options{Client: client, Workspace: flags.workspace}
			if options.Columns, err = flags.extraColumns(); err != nil {
				return err
			}
			return a.runSQL(cmd.Context(), options, text, arguments)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		var unknown interface{ GetSpecifiedName() string }
		if errors.As(err, &unknown) && strings.ContainsAny(unknown.GetSpecifiedName(), " \r\n\t") {
			return usageError{errors.New("a statement that begins with a comment looks like a flag: write -- before it, behind the flags, or give it by --file")}
		}
		return usageError{flagError(err)}
	})
	f := cmd.Flags()
	f.StringVar(&flags.file, "file", "", "read the statements from this file")
	f.StringArrayVar(&flags.parameters, "param", nil, "NAME=VALUE for @NAME, ?=VALUE for the next ?; may be given again")
	f.StringVar(&flags.workspace, "workspace", "", "the default workspace, by name or GUID; without it My workspace")
	f.StringArrayVar(&flags.columns, "columns", nil, `ENDPOINT=NAME TYPE PATH; …: columns behind the endpoint's own; may be given again`)
	return a.formatted(cmd)
}

// text is the batch that the command line means.
func (f *sqlFlags) text(stdin io.Reader, args []string) (string, error) {
	switch {
	case f.file != "" && len(args) > 0:
		return "", usageError{errors.New("a statement and --file are both given")}
	case f.file != "":
		content, err := os.ReadFile(f.file)
		if err != nil {
			err = fmt.Errorf("cannot read the statements: %w", err)
		}
		return string(content), err
	case len(args) > 0:
		return args[0], nil
	}
	content, err := io.ReadAll(stdin)
	if err != nil {
		return "", fmt.Errorf("cannot read the statement from the standard input: %w", err)
	}
	return string(content), nil
}

func (f *sqlFlags) arguments() ([]connector.Argument, error) {
	var arguments []connector.Argument
	for _, parameter := range f.parameters {
		name, value, found := strings.Cut(parameter, "=")
		name = strings.TrimPrefix(name, "@")
		if !found || name == "" {
			return nil, usageError{fmt.Errorf("--param %q is not of the form NAME=VALUE or ?=VALUE", parameter)}
		}
		if name == "?" {
			name = ""
		}
		arguments = append(arguments, connector.Argument{Name: name, Value: value})
	}
	return arguments, nil
}

func (f *sqlFlags) extraColumns() (map[string]string, error) {
	columns := map[string]string{}
	for _, text := range f.columns {
		endpoint, fields, found := strings.Cut(text, "=")
		if !found || columns[endpoint] != "" {
			return nil, usageError{fmt.Errorf("--columns %q is not of the form ENDPOINT=NAME TYPE PATH, or the second of its endpoint", text)}
		}
		columns[endpoint] = fields
	}
	return columns, nil
}

// statementError is a statement that is wrong: nothing was called.
type statementError struct{ error }

func (e statementError) Unwrap() error { return e.error }

func (a *app) runSQL(ctx context.Context, options connector.Options, text string, arguments []connector.Argument) (err error) {
	c, err := connector.New(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	statements, err := c.Prepare(ctx, text)
	if err != nil {
		return statementError{err}
	}
	if len(statements) == 0 {
		return usageError{errors.New("there is no statement")}
	}
	said := map[string]bool{} // several waits at a time tell the same again and again
	notice := func(text string) {
		if !said[text] {
			fmt.Fprintf(a.err, "%s %s\n", time.Now().Format(time.TimeOnly), printable(text))
			said[text] = true
		}
	}
	for i, statement := range statements {
		result, err := statement.Run(ctx, arguments, notice)
		if i == 0 && fault.KindOf(err) == fault.Invalid && strings.HasPrefix(fault.CodeOf(err), "Statement") {
			return statementError{err}
		}
		if err != nil {
			return err
		}
		if i > 0 && a.format != formatJSON {
			fmt.Fprintln(a.out)
		}
		if err := a.writeRows(columnNames(result.Columns), rowsOf(result)); err != nil {
			return err
		}
	}
	return nil
}

func columnNames(columns []connector.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// rowsOf hands out the rows of a result as JSON values.
func rowsOf(result *connector.Result) nextRow {
	at := 0
	return func() ([]json.RawMessage, error) {
		if at == len(result.Rows) {
			return nil, io.EOF
		}
		values := make([]json.RawMessage, len(result.Columns))
		for i, value := range result.Rows[at] {
			var err error
			if values[i], err = jsonOf(value, result.Columns[i].Type); err != nil {
				return nil, err
			}
		}
		at++
		return values, nil
	}
}

// jsonOf writes a value: a decimal with all its digits, a time in UTC.
func jsonOf(value driver.Value, typ connector.Type) (json.RawMessage, error) {
	switch value := value.(type) {
	case string:
		if typ.Kind == connector.Decimal {
			return json.RawMessage(value), nil
		}
	case time.Time:
		return json.RawMessage(value.UTC().Format(`"2006-01-02T15:04:05.999999999Z"`)), nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSpace(out.Bytes()), err
}
