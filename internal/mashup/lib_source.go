package mashup

import (
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/source"
)

// sources is the part of the library that reaches data.
func sources() family {
	f := family{
		entries: []entry{
			{signature: "File.Contents(path as text, optional options as nullable record) as binary", body: fileContents},
			{signature: "Folder.Files(path as text, optional options as nullable record) as table", body: folderFiles},
			{signature: "Folder.Contents(path as text, optional options as nullable record) as table", body: folderContents},
			{signature: "Csv.Document(source as any, optional columns as any, optional delimiter as any, optional extraValues as nullable number, optional encoding as nullable number) as table", body: csvDocument, contents: true},
			{signature: "Parquet.Document(binary as binary, optional options as nullable record) as table", body: parquetDocument, contents: true},
			{signature: "PostgreSQL.Database(server as text, database as text, optional options as nullable record) as table", body: postgresDatabase},
			{signature: "Value.NativeQuery(target as any, query as text, optional parameters as any, optional options as nullable record) as any", body: valueNativeQuery},
		},
	}
	for _, name := range []string{"Sql.Database", "Sql.Databases", "MySQL.Database", "Oracle.Database", "Odbc.DataSource", "Odbc.Query", "OleDb.DataSource",
		"OleDb.Query", "Web.Contents", "Web.Page", "Web.BrowserContents", "Excel.Workbook", "SharePoint.Files", "SharePoint.Contents", "SharePoint.Tables",
		"OData.Feed", "AzureStorage.Blobs", "AzureStorage.DataLake", "AzureDataExplorer.Contents", "AnalysisServices.Database", "AnalysisServices.Databases",
		"Access.Database", "Snowflake.Databases", "GoogleBigQuery.Database", "Databricks.Catalogs",
		"Salesforce.Data", "Xml.Tables", "Xml.Document", "Pdf.Tables", "Hdfs.Files", "ActiveDirectory.Domains", "Exchange.Contents", "SapHana.Database",
		"AmazonRedshift.Database", "Lakehouse.Contents", "Fabric.Warehouse"} {
		f.entries = append(f.entries, notBuilt(name))
	}
	return f
}

// notBuilt is a source that Freshet knows by name only. It takes any arguments, because the answer is always the same.
func notBuilt(name string) entry {
	signature := name + "(optional a as any, optional b as any, optional c as any, optional d as any, optional e as any) as any"
	return entry{signature: signature, contents: true, body: func(*evaluation, []Value) (Value, error) {
		err := fault.New(fault.Invalid, fault.CodeSourceUnsupported, "cannot read from %s: Freshet has no such source yet", name)
		return nil, err.WithHint("What it reads are files (File.Contents with Csv.Document or Parquet.Document) and PostgreSQL.Database")
	}}
}

// contents is the binary value of a file that is not read yet.
type contents struct{ of source.Content }

func (*contents) kind() kind { return kindBinary }

// maxWhole bounds what an expression may hold of a file at once.
const maxWhole = 512 << 20

// read is the content in memory, for functions that know nothing of files.
func (c *contents) read() (binary, error) {
	if c.of.Len() > maxWhole {
		return nil, fault.New(fault.Invalid, codeTooLarge, "cannot take '%s' into memory: it has more than %d MiB", c.of.Path, maxWhole>>20)
	}
	r, err := c.of.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fault.New(fault.Unavailable, source.CodeUnavailable, "cannot read '%s': %w", c.of.Path, err)
	}
	return data, nil
}

// bytesOf is a value as bytes.
func bytesOf(_ *evaluation, v Value) ([]byte, bool, error) {
	switch v := v.(type) {
	case binary:
		return v, true, nil
	case *contents:
		data, err := v.read()
		return data, true, err
	}
	return nil, false, nil
}

// fileArg is a text or binary argument as content.
func fileArg(v Value) (source.Content, error) {
	switch v := v.(type) {
	case *contents:
		return v.of, nil
	case binary:
		return source.Content{Data: v}, nil
	}
	return source.Content{}, fail("A binary value is expected, not %s.", typeName(v)).with(v)
}

// noOptions refuses options by name, but for those that change nothing here.
func noOptions(v Value, function string, known ...string) error {
	r, ok := v.(*record)
	if !ok {
		return nil
	}
	for _, name := range r.shape.names {
		if !slices.Contains(known, name) {
			return fail("%s does not support the option %s.", function, name)
		}
	}
	return nil
}

// filePath is a path in the form of the machine: file URLs are taken too.
func filePath(path string) string {
	if u, err := url.Parse(path); err == nil && u.Scheme == "file" {
		return u.Path
	}
	return path
}

func openFiles(ev *evaluation, path string) (source.Files, error) {
	path = filePath(path)
	conn, err := ev.session.reading.open(ev, source.Ref{Kind: "File", Path: path})
	if err != nil {
		return nil, err
	}
	files, ok := conn.(source.Files)
	if !ok {
		return nil, fault.New(fault.Internal, source.CodePath, "cannot read '%s' as a file", path)
	}
	return files, nil
}

func fileContents(ev *evaluation, args []Value) (Value, error) {
	if err := noOptions(args[1], "File.Contents", "PreserveLastAccessTimes"); err != nil {
		return nil, err
	}
	files, err := openFiles(ev, string(args[0].(text)))
	if err != nil {
		return nil, err
	}
	content, err := files.Content(ev.ctx)
	if err != nil {
		return nil, err
	}
	return &contents{content}, nil
}

func folderFiles(ev *evaluation, args []Value) (Value, error) {
	return listFolder(ev, "Folder.Files", args, true)
}

func folderContents(ev *evaluation, args []Value) (Value, error) {
	return listFolder(ev, "Folder.Contents", args, false)
}

func folderFields() []fieldType {
	nullableDateTime := simple(kindDateTime).asNullable()
	return []fieldType{{name: "Content", typ: simple(kindBinary)}, {name: "Name", typ: simple(kindText)}, {name: "Extension", typ: simple(kindText).asNullable()},
		{name: "Date accessed", typ: nullableDateTime}, {name: "Date modified", typ: nullableDateTime}, {name: "Date created", typ: nullableDateTime},
		{name: "Attributes", typ: simple(kindRecord)}, {name: "Folder Path", typ: simple(kindText)}}
}

func listFolder(ev *evaluation, name string, args []Value, recursive bool) (Value, error) {
	if err := noOptions(args[1], name); err != nil {
		return nil, err
	}
	files, err := openFiles(ev, string(args[0].(text)))
	if err != nil {
		return nil, err
	}
	listed, err := files.List(ev.ctx, recursive)
	if err != nil {
		return nil, err
	}
	when := func(t time.Time) Value {
		if t.IsZero() {
			return null
		}
		return datetimeOf(t)
	}
	held := make([][]Value, len(listed))
	for i, file := range listed {
		of, kind := Value(&contents{file.Content}), "File"
		if file.IsFolder {
			kind = "Folder"
			path := file.Folder + file.Name
			of = lazy(func(ev *evaluation) (Value, error) { return folderContents(ev, []Value{text(path), null}) })
		}
		attributes := newRecord([]string{"Content Type", "Kind", "Size"}, []Value{null, text(kind), intNumber(file.Content.Len())})
		held[i] = []Value{of, text(file.Name), text(file.Extension), when(file.Accessed), when(file.Modified), when(file.Created), attributes, text(file.Folder)}
	}
	return memoryTable(name, folderFields(), held, nil), nil
}

// formatsOf are the forms that files may have; none where no source is configured.
func formatsOf(ev *evaluation) source.Formats {
	if ev.session.env.Sources == nil {
		return source.Formats{}
	}
	return ev.session.env.Sources.Formats()
}

// csvDocument is Csv.Document, whose second argument is a record of options, or the columns with delimiter, extra values and
// encoding after them.
func csvDocument(ev *evaluation, args []Value) (Value, error) {
	var content source.Content
	options := source.DefaultCSV()
	if s, ok := args[0].(text); ok {
		content.Data = []byte(s)
	} else {
		var err error
		if content, err = fileArg(args[0]); err != nil {
			return nil, err
		}
	}
	columns, typed := Value(null), []fieldType(nil)
	delimiter, extra, encoding := args[2], args[3], args[4]
	if r, ok := args[1].(*record); ok {
		for _, name := range r.shape.names {
			v, _, err := r.get(ev, name)
			if err != nil {
				return nil, err
			}
			switch name {
			case "Delimiter":
				delimiter = v
			case "Columns":
				columns = v
			case "Encoding":
				encoding = v
			case "ExtraValues":
				extra = v
			case "QuoteStyle":
				style, err := csvNumber(name, v, int(options.Quote))
				if err != nil {
					return nil, err
				}
				options.Quote = source.QuoteStyle(style)
			case "CsvStyle":
				style, err := csvNumber(name, v, int(options.Style))
				if err != nil {
					return nil, err
				}
				options.Style = source.CSVStyle(style)
			case "IncludeByteOrderMark":
			default:
				return nil, fail("Csv.Document does not support the option %s.", name)
			}
		}
	} else {
		columns = args[1]
	}
	switch v := columns.(type) {
	case nullKind:
	case number:
		options.Columns = smallArg(v, 0)
		if options.Columns < 1 {
			return nil, fail("The number of columns must be a whole number above 0.").with(v)
		}
	case *typeValue:
		typed = v.fields
		options.Names = fieldNames(v.fields)
	case *list:
		names, err := textsArg(ev, v, "A column name")
		if err != nil {
			return nil, err
		}
		options.Names = names
	default:
		return nil, fail("The columns of Csv.Document must be a number, a list of names, a table type or a record of options, not of type %s.", typeName(v)).with(v)
	}
	switch v := delimiter.(type) {
	case nullKind:
	case text:
		options.Delimiter = string(v)
	default:
		return nil, fail("Csv.Document supports a delimiter of text, not of type %s.", typeName(v)).with(v)
	}
	extraValues, err := csvNumber("ExtraValues", extra, int(options.Extra))
	if err != nil {
		return nil, err
	}
	options.Extra = source.ExtraValues(extraValues)
	if options.Encoding, err = csvNumber("Encoding", encoding, options.Encoding); err != nil {
		return nil, err
	}
	formats := formatsOf(ev)
	if formats.CSV == nil {
		return nil, fault.New(fault.Internal, source.CodeData, "cannot read CSV: the format is not there")
	}
	opened, err := formats.CSV(ev.ctx, content, options)
	if err != nil {
		return nil, err
	}
	return scanned("Csv.Document", content, opened, typed)
}

// csvNumber is an option of Csv.Document that is a whole number, as the members of enumerations are.
func csvNumber(option string, v Value, absent int) (int, error) {
	if n, err := wholeArg(v, absent); err == nil {
		return n, nil
	}
	return 0, fail("The option %s of Csv.Document must be a whole number, not %s.", option, display(v)).with(v)
}

// scanned is the table of a file's rows.
func scanned(name string, content source.Content, of source.Scan, typed []fieldType) (Value, error) {
	fields := typed
	if fields == nil {
		fields = schemaFields(of.Schema())
	}
	if err := checkUnique(fields); err != nil {
		return nil, err
	}
	from := ""
	if content.Path != "" {
		from = "File " + content.Path
	}
	return newTable(&step{name: name, cols: fields, op: scan{of: of, from: from}}), nil
}

func parquetDocument(ev *evaluation, args []Value) (Value, error) {
	if err := noOptions(args[1], "Parquet.Document", "Compression", "LegacyColumnNameEncoding", "MaxDepth"); err != nil {
		return nil, err
	}
	content, err := fileArg(args[0])
	if err != nil {
		return nil, err
	}
	formats := formatsOf(ev)
	if formats.Parquet == nil {
		return nil, fault.New(fault.Internal, source.CodeData, "cannot read Parquet: the format is not there")
	}
	opened, err := formats.Parquet(ev.ctx, content)
	if err != nil {
		return nil, err
	}
	return scanned("Parquet.Document", content, opened, nil)
}

// postgresDatabase is PostgreSQL.Database: the navigation over a database's tables, which Value.NativeQuery asks too.
func postgresDatabase(ev *evaluation, args []Value) (Value, error) {
	ref := source.Ref{Kind: "PostgreSQL", Path: string(args[0].(text)) + ";" + string(args[1].(text))}
	if r, ok := args[2].(*record); ok {
		if err := noOptions(r, "PostgreSQL.Database", "CreateNavigationProperties", "NavigationPropertyNameGenerator", "CommandTimeout",
			"ConnectionTimeout", "HierarchicalNavigation", "Query"); err != nil {
			return nil, err
		}
		if v, ok, err := r.get(ev, "HierarchicalNavigation"); err != nil || ok && v == Value(logical(true)) {
			return nil, firstOf(err, fail("PostgreSQL.Database does not support HierarchicalNavigation."))
		}
		if v, ok, err := r.get(ev, "Query"); err != nil || ok && v != Value(null) {
			statement, isText := v.(text)
			if err != nil || !isText {
				return nil, firstOf(err, fail("The option Query must be text."))
			}
			return nativeQuery(ev, ref, string(statement), "PostgreSQL.Database")
		}
	}
	return openDatabase(ev, ref)
}

// valueNativeQuery is Value.NativeQuery over a database; parameters are written into the statement as literals.
func valueNativeQuery(ev *evaluation, args []Value) (Value, error) {
	t, ok := args[0].(*relational)
	var nav *navigation
	if ok {
		nav, ok = t.plan.op.(*navigation)
	}
	if !ok {
		return nil, fail("Value.NativeQuery asks a database, such as the result of PostgreSQL.Database, not a value of type %s.", typeName(args[0]))
	}
	if err := noOptions(args[3], "Value.NativeQuery", "EnableFolding", "PreserveTypes"); err != nil {
		return nil, err
	}
	statement, err := bindParameters(ev, nav.database.Dialect(), string(args[1].(text)), args[2])
	if err != nil {
		return nil, err
	}
	return nativeQuery(ev, nav.database.Ref(), statement, "Value.NativeQuery")
}

// openStructured gives the value of a model's structured data source.
func openStructured(ev *evaluation, name string, s StructuredSource) (Value, error) {
	if ev.session.env.Sources == nil {
		return nil, fault.New(fault.Denied, source.CodeNotAllowed, "cannot reach the model's data source: no data source is configured")
	}
	ref, err := ev.session.env.Sources.Resolve(source.Connection{Name: name, Protocol: s.Protocol, Address: s.Address})
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(ref.Kind, "File") {
		return fileContents(ev, []Value{text(ref.Path), null})
	}
	return openDatabase(ev, ref)
}
