// Command catalogue writes doc/errors.md from the constants of the code: go generate ./internal/fault.
//
// A code is a string constant whose name begins with Code or code. Its comment says all that the catalogue has:
//
//	// Invalid: the path has not the form that its kind wants.
//	// Do: write it as the message shows.
//	CodePath = "DataSourcePath"
//
// Before the colon stands the kind that errors of the code have (several are joined by "or"; a number after a kind is a status of
// HTTP that is not the kind's own; ", Power BI's" marks a code that Power BI uses for the same thing). Failure is what ends a refresh
// or a part of it and is never the answer to a request; Warning and Information are messages that end nothing. The command fails on a constant without such a comment,
// on a code with two constants, on an error that is made with a code in quotes, or none, and on one of a kind that the comment does not name.
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: catalogue FOLDER-OF-THE-CODE PAGE")
		os.Exit(2)
	}
	codes, err := read(os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], []byte(page(codes)), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// code is an entry of the catalogue.
type code struct {
	text    string // as it stands on the wire
	kinds   []kind
	theirs  bool // Power BI's own
	meaning string
	todo    string
	at      token.Position
}

// kind is a kind of fault, or Failure, Warning or Information. status is 0 where no request is answered with it.
type kind struct {
	name   string
	status int
}

// The status of a kind is that of internal/api, whose test compares the page with it.
var kinds = map[string]int{
	"Internal": 500, "Invalid": 400, "NotFound": 404, "Conflict": 409, "Denied": 403, "Throttled": 429, "Unavailable": 503, "Failure": 0, "Warning": 0, "Information": 0,
}

// read collects the codes of a folder's packages. Tests and what only tests import (package …test) have codes of their own making.
func read(root string) ([]code, error) {
	var found []code
	var faults []error
	var uses []use
	names := map[string]string{} // from package.Name to a code, or to the package.Name of another constant
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || strings.HasSuffix(entry.Name(), "test")) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			constants, ok := declaration.(*ast.GenDecl)
			if !ok || constants.Tok != token.CONST {
				continue
			}
			codes, err := declared(constants, files, file.Name.Name, names)
			found, faults = append(found, codes...), append(faults, err)
		}
		used, err := used(file, files)
		uses, faults = append(uses, used...), append(faults, err)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b code) int { return strings.Compare(a.text, b.text) })
	for i := 1; i < len(found); i++ {
		if found[i].text == found[i-1].text {
			faults = append(faults, fmt.Errorf("%s: the code %q is declared at %s too: one constant refers to the other, or both to one of package fault",
				found[i].at, found[i].text, found[i-1].at))
		}
	}
	for _, u := range uses {
		text := u.name
		for next, known := names[text]; known; next, known = names[text] {
			text = next
		}
		i, known := slices.BinarySearchFunc(found, text, func(c code, text string) int { return strings.Compare(c.text, text) })
		if known && !slices.ContainsFunc(found[i].kinds, func(k kind) bool { return k.name == u.kind }) {
			faults = append(faults, fmt.Errorf("%s: an error of kind %s has the code %q, whose comment at %s does not name that kind", u.at, u.kind, text, found[i].at))
		}
	}
	return found, errors.Join(faults...)
}

// declared reads the codes among constants into names. One that is another constant is no code of its own.
func declared(constants *ast.GenDecl, files *token.FileSet, room string, names map[string]string) (found []code, err error) {
	var faults []error
	for _, spec := range constants.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, name := range spec.Names {
			if !codeName.MatchString(name.Name) || i >= len(spec.Values) {
				continue
			}
			text, ok := literal(spec.Values[i])
			if !ok {
				names[room+"."+name.Name] = constant(spec.Values[i], room)
				continue
			}
			names[room+"."+name.Name] = text
			comment := spec.Doc
			if comment == nil {
				comment = spec.Comment
			}
			if comment == nil && len(constants.Specs) == 1 {
				comment = constants.Doc
			}
			c, err := described(comment.Text())
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %s: %w", files.Position(name.Pos()), name.Name, err))
				continue
			}
			c.text, c.at = text, files.Position(name.Pos())
			found = append(found, c)
		}
	}
	return found, errors.Join(faults...)
}

var (
	codeName = regexp.MustCompile(`^[cC]ode[A-Z]`)
	form     = regexp.MustCompile(`^([A-Z][A-Za-z]+(?: \d{3})?(?: or [A-Z][A-Za-z]+(?: \d{3})?)*)(, Power BI's)?: (.+?\.) Do: (.+\.)$`)
)

// described reads the comment of a code.
func described(comment string) (code, error) {
	match := form.FindStringSubmatch(strings.Join(strings.Fields(comment), " "))
	if match == nil {
		return code{}, errors.New(`its comment must have the form "Kind: what it means. Do: what to do." (doc of internal/fault/catalogue)`)
	}
	c := code{theirs: match[2] != "", meaning: match[3], todo: match[4]}
	for part := range strings.SplitSeq(match[1], " or ") {
		name, number, other := strings.Cut(part, " ")
		status, known := kinds[name]
		if !known {
			return code{}, fmt.Errorf("there is no kind %q", name)
		}
		if other {
			status, _ = strconv.Atoi(number) // three digits
		}
		c.kinds = append(c.kinds, kind{name, status})
	}
	return c, nil
}

// use is an error that is made with a kind and a code.
type use struct {
	kind, name string // name is package.Name
	at         token.Position
}

// used finds where a kind is followed by a code, and where a field Code is given one. A code in quotes is an error.
func used(file *ast.File, files *token.FileSet) (uses []use, err error) {
	var faults []error
	refuse := func(x ast.Expr) {
		if _, quoted := literal(x); quoted {
			faults = append(faults, fmt.Errorf("%s: %s must be a constant named Code…, with a comment for the catalogue", files.Position(x.Pos()), x.(*ast.BasicLit).Value))
		}
	}
	pairs := func(list []ast.Expr) {
		for i := 1; i < len(list); i++ {
			if kind, ok := kindOf(list[i-1]); ok {
				refuse(list[i])
				uses = append(uses, use{kind, constant(list[i], file.Name.Name), files.Position(list[i].Pos())})
			}
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			pairs(node.Args)
		case *ast.ReturnStmt:
			pairs(node.Results)
		case *ast.KeyValueExpr:
			if name, ok := node.Key.(*ast.Ident); ok && name.Name == "Code" {
				refuse(node.Value)
			}
		}
		return true
	})
	return uses, errors.Join(faults...)
}

// constant names what an expression in a package may refer to.
func constant(x ast.Expr, room string) string {
	switch x := x.(type) {
	case *ast.Ident:
		return room + "." + x.Name
	case *ast.SelectorExpr:
		if other, ok := x.X.(*ast.Ident); ok {
			return other.Name + "." + x.Sel.Name
		}
	}
	return ""
}

func literal(x ast.Expr) (string, bool) {
	basic, ok := x.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

// kindOf reads fault.Invalid and its like.
func kindOf(x ast.Expr) (string, bool) {
	room, kind, _ := strings.Cut(constant(x, ""), ".")
	_, known := kinds[kind]
	return kind, known && room == "fault"
}

const head = `# Codes of errors

Generated from the code by ` + "`go generate ./internal/fault`" + `; do not edit. A code stands in ` + "`error.code`" + ` of an answer, in ` + "`errorCode`" + ` of a refresh's
` + "`serviceExceptionJson`, and in `code` of its `messages`" + `; the text beside it says table, partition, column and row, what the source said, and what to do.

- **Kind** says whose problem it is. Invalid: the request, the model, an expression or the data is wrong. NotFound: there is none, or none that the caller may see. Conflict: the present state does not
  allow it. Denied: the caller or the configuration does not. Throttled: too much at once. Unavailable: a source or a disk does not answer. Internal: a defect or damage; the server's log tells more.
  Failure: ends a refresh or a part of it. Warning, Information: messages that end nothing.
- **HTTP** is the status of a request that is answered with it. During a refresh, which goes on without a request, the same code stands in its messages.
- **Retry**: whether the same again may succeed without a change by anybody. A refresh tries those again as far as its ` + "`retryCount`" + ` allows, and Internal ones too; the others end it at once, unless
  ` + "`retryAll`" + ` is set.
- **Power BI's own** codes, which mean here what they mean there, are set in bold.

| Code | Kind | HTTP | Retry | Means | Do |
|---|---|---|---|---|---|
`

// page writes the catalogue.
func page(codes []code) string {
	var b strings.Builder
	b.WriteString(head)
	for _, c := range codes {
		name := "`" + c.text + "`"
		if c.theirs {
			name = "**" + name + "**"
		}
		var names, statuses, retries []string
		for _, k := range c.kinds {
			status, retry := "–", "no"
			if k.status != 0 {
				status = strconv.Itoa(k.status)
			}
			switch k.name {
			case "Throttled", "Unavailable":
				retry = "yes"
			case "Warning", "Information":
				retry = "–"
			}
			names = append(names, k.name)
			statuses, retries = once(statuses, status), once(retries, retry)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, strings.Join(names, ", "), strings.Join(statuses, ", "), strings.Join(retries, ", "),
			cell(c.meaning), cell(c.todo))
	}
	return b.String()
}

func once(list []string, word string) []string {
	if slices.Contains(list, word) {
		return list
	}
	return append(list, word)
}

// cell begins a sentence and keeps the table whole.
func cell(text string) string {
	return strings.ReplaceAll(strings.ToUpper(text[:1])+text[1:], "|", `\|`)
}
