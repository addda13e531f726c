package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/google/uuid"

	"freshet.dev/internal/api"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/notify"
	"freshet.dev/internal/source"
	"freshet.dev/internal/workspace"
)

// DefaultListen is where the server listens when nothing says otherwise.
const DefaultListen = "127.0.0.1:8480"

// CodeConfig is the code of errors about the configuration.
const CodeConfig = fault.CodeConfiguration

// The codes of a server that does not start.
const (
	// Conflict: another server uses the data directory.
	// Do: stop it, or name another directory with --data.
	codeInUse = "DataDirectoryInUse"

	// Unavailable or Internal: the server could not listen, or not go on listening.
	// Do: choose another address with --listen HOST:PORT.
	codeAddress = "AddressFailed"
)

// Config is the configuration file. freshet.example.yaml documents every key.
type Config struct {
	Listen          string       `yaml:"listen"`
	TLSListen       string       `yaml:"tlsListen"`
	TDSListen       string       `yaml:"tdsListen"`
	TDS             TDS          `yaml:"tds"`
	TLS             TLS          `yaml:"tls"`
	Hosts           []string     `yaml:"hosts"`
	Data            string       `yaml:"data"`
	Spill           string       `yaml:"spill"`
	Auth            Auth         `yaml:"auth"`
	Clients         []Client     `yaml:"clients"`
	Profiles        Profiles     `yaml:"profiles"`
	SQLLogins       []SQLLogin   `yaml:"sqlLogins"`
	DataSources     []DataSource `yaml:"dataSources"`
	Capacities      []Capacity   `yaml:"capacities"`
	Models          []Model      `yaml:"models"`
	KeepVersions    Duration     `yaml:"keepVersions"`
	KeepFinishedFor Duration     `yaml:"keepFinishedFor"`
	MinFreeDisk     Size         `yaml:"minFreeDisk"`
	RetryAll        bool         `yaml:"retryAll"`
	EvictedRetry    bool         `yaml:"evictedRetry"`
	StandardDetails bool         `yaml:"standardDetails"`
	Limits          Limits       `yaml:"limits"`
	KeepHistory     Duration     `yaml:"keepHistory"`

	DataflowFolders []DataflowFolder `yaml:"dataflowFolders"`

	Notifications Notifications `yaml:"notifications"`
}

// DataflowFolder is where the rows of a workspace's dataflows are written as CDM folders.
type DataflowFolder struct {
	Workspace string `yaml:"workspace"` // a name or an id; "" = all that no other entry names
	Path      string `yaml:"path"`
}

// Limits are how often one caller may call, see api.Limits, and how many connections each door takes.
type Limits struct {
	RequestsPerMinute int `yaml:"requestsPerMinute"`
	Burst             int `yaml:"burst"`
	RefreshesPerHour  int `yaml:"refreshesPerHour"`
	Connections       int `yaml:"connections"`
}

func (l Limits) perCaller() api.Limits {
	return api.Limits{RequestsPerMinute: l.RequestsPerMinute, Burst: l.Burst, RefreshesPerHour: l.RefreshesPerHour}
}

// DataSource is one entry of dataSources: what models may read, and as whom.
type DataSource = source.Setting

// TLS names the certificate of tlsListen and tdsListen. Without one the server has a private authority.
type TLS struct {
	Certificate string `yaml:"certificate"` // files in PEM form
	Key         string `yaml:"key"`
}

// Auth says how callers are told apart.
type Auth struct {
	Mode      AuthMode `yaml:"mode"`
	Tenant    string   `yaml:"tenant"`    // of mode entra: its id
	Audiences []string `yaml:"audiences"` // of mode entra: the only ones accepted; empty = those of Power BI's clients

	Administrators []string `yaml:"administrators"` // of mode entra: object ids of people and applications that are Admin of every workspace
}

// Client is an application, or a program with which people sign in.
type Client struct {
	ID         string            `yaml:"id"` // a GUID: the client id, and with Entra the application's object id
	Name       string            `yaml:"name"`
	SecretHash string            `yaml:"secretHash"` // of auth.mode local; none: people sign in with it by a device code
	Roles      map[string]string `yaml:"roles"`      // by workspace
}

// AuthMode is a way of telling callers apart.
type AuthMode string

// The modes.
const (
	AuthLocal AuthMode = "local" // bearer tokens that this server's key has signed
	AuthEntra AuthMode = "entra" // bearer tokens of a tenant of Microsoft Entra
	AuthNone  AuthMode = "none"  // everybody who reaches the port is the machine's owner: loopback only
)

// Capacity is a share of the machine.
type Capacity struct {
	Name                   string   `yaml:"name"`
	Memory                 Size     `yaml:"memory"`
	MaxConcurrentRefreshes int      `yaml:"maxConcurrentRefreshes"`
	EvictAfter             Duration `yaml:"evictAfter"`
}

// Model is what holds for one model, which may be deployed later.
type Model struct {
	Name   string `yaml:"name"` // WORKSPACE/NAME or a GUID
	Guards Guards `yaml:"guards"`

	Notifications *notify.Audience `yaml:"notifications"` // nil: the default
}

// Guards are the guards of one model's tables.
type Guards struct {
	FailWhenEmpty    bool             `yaml:"failWhenEmpty"`
	LeastShareOfRows float64          `yaml:"leastShareOfRows"`
	Tables           map[string]Guard `yaml:"tables"` // by name
}

// Guard is what differs for one table.
type Guard struct {
	FailWhenEmpty    *bool    `yaml:"failWhenEmpty"`
	LeastShareOfRows *float64 `yaml:"leastShareOfRows"`
}

// DefaultConfig is what an empty file means.
func DefaultConfig() Config {
	return Config{
		Listen: DefaultListen, Data: "data", Auth: Auth{Mode: AuthLocal},
		Capacities:   []Capacity{{Name: "default"}},
		KeepVersions: Duration(24 * time.Hour), KeepFinishedFor: Duration(6 * time.Hour),
		KeepHistory: Duration(90 * 24 * time.Hour),
		Limits:      Limits{RequestsPerMinute: 12_000, Burst: 2_000, RefreshesPerHour: 3_600, Connections: 1_000}, MinFreeDisk: 1 << 30,
	}
}

// ReadConfig reads a configuration file. Relative paths in it are meant from its own folder.
func ReadConfig(path string) (Config, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fault.New(fault.Invalid, CodeConfig, "cannot read the configuration: %w", err)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, fault.New(fault.Internal, CodeConfig, "cannot find the folder of %s: %w", path, err)
	}
	config, err := decodeConfig(content, folder, os.LookupEnv)
	if err != nil {
		return Config{}, fault.New(fault.Invalid, CodeConfig, "cannot use the configuration %s: %w", path, err)
	}
	return config, nil
}

// decodeConfig decodes strictly: what it does not know is an error.
func decodeConfig(content []byte, folder string, lookupEnv func(string) (string, bool)) (Config, error) {
	config := DefaultConfig()
	err := decodeStrict(content, &config, func(text *ast.StringNode) (err error) {
		text.Value, err = ReplaceSecrets(text.Value, folder, lookupEnv)
		return err
	})
	if err != nil {
		return Config{}, err
	}
	config.Data, config.Spill = absolute(folder, config.Data), absolute(folder, config.Spill)
	for name, p := range config.Profiles {
		p.Certificate = absolute(folder, p.Certificate)
		config.Profiles[name] = p
	}
	config.TLS.Certificate, config.TLS.Key = absolute(folder, config.TLS.Certificate), absolute(folder, config.TLS.Key)
	for i := range config.DataflowFolders {
		config.DataflowFolders[i].Path = absolute(folder, config.DataflowFolders[i].Path)
	}
	return config, config.check()
}

// DecodeStrict decodes one document of YAML. An unknown key is an error with its line and the nearest key of into.
func DecodeStrict(content []byte, into any) error { return decodeStrict(content, into, nil) }

// decodeStrict hands every text to change, if there is one, before it decodes: in the parsed tree, so that no secret is ever taken for YAML.
func decodeStrict(content []byte, into any, change func(*ast.StringNode) error) error {
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		return inPlace(err, nil, into)
	}
	if len(file.Docs) > 1 {
		return errors.New("it holds more than one document ('---')")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil
	}
	if change != nil {
		texts := &textVisitor{change: change}
		ast.Walk(texts, file.Docs[0].Body)
		if texts.err != nil {
			return texts.err
		}
	}
	if err := yaml.NewDecoder(bytes.NewReader(nil), yaml.Strict()).DecodeFromNode(file.Docs[0].Body, into); err != nil {
		return inPlace(err, file.Docs[0].Body, into)
	}
	return nil
}

func absolute(folder, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// check finds what decodes and cannot work.
func (c Config) check() error {
	if err := c.checkListen("listen", c.Listen); err != nil {
		return err
	}
	if c.TLSListen != "" {
		if err := c.checkListen("tlsListen", c.TLSListen); err != nil {
			return err
		}
	}
	if c.TLSListen == "" && c.TDSListen == "" && c.TLS != (TLS{}) || (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return errors.New("tls: certificate and key go together, with tlsListen or tdsListen")
	}
	if err := c.checkGateway(); err != nil {
		return err
	}
	switch c.Auth.Mode {
	case AuthLocal, AuthNone:
	case AuthEntra:
		if c.Auth.Tenant == "" {
			return errors.New("auth.mode entra needs auth.tenant, the id of the tenant")
		}
	default:
		return fmt.Errorf("auth.mode: there is no mode %q: the modes are local, entra and none", c.Auth.Mode)
	}
	if c.Auth.Mode != AuthEntra && (c.Auth.Tenant != "" || len(c.Auth.Audiences) > 0 || len(c.Auth.Administrators) > 0) {
		return fmt.Errorf("auth.tenant, auth.audiences and auth.administrators belong to auth.mode entra, and the mode is %s", c.Auth.Mode)
	}
	for _, id := range c.Auth.Administrators {
		if _, err := uuid.Parse(id); err != nil {
			return fmt.Errorf("auth.administrators: %q is not an object id, which is a GUID", id)
		}
	}
	for _, client := range c.Clients {
		if _, err := uuid.Parse(client.ID); err != nil {
			return fmt.Errorf("clients: the id %q is not a GUID", client.ID)
		}
		if client.SecretHash != "" && c.Auth.Mode != AuthLocal {
			return fmt.Errorf("clients: %q has a secretHash, which auth.mode local checks, and the mode is %s", client.ID, c.Auth.Mode)
		}
		for name, role := range client.Roles {
			if _, err := workspace.ParseRole(role); err != nil {
				return fmt.Errorf("clients: the role of %q in %q: %w", client.ID, name, err)
			}
		}
	}
	if c.Data == "" {
		return errors.New("data: the folder for catalog, files and keys must be named")
	}
	if l := c.Limits; min(l.RequestsPerMinute, l.Burst, l.RefreshesPerHour, l.Connections) < 0 {
		return errors.New("limits: none may be negative; 0 switches one off")
	}
	if len(c.Capacities) == 0 {
		return errors.New("capacities: at least one is needed; leave the key out for one with half the machine's memory")
	}
	names := map[string]bool{}
	for _, capacity := range c.Capacities {
		name := strings.ToLower(capacity.Name)
		switch {
		case name == "":
			return errors.New("capacities: one has no name")
		case names[name]:
			return fmt.Errorf("capacities: there are two of the name %q", capacity.Name)
		case capacity.MaxConcurrentRefreshes < 0:
			return fmt.Errorf("capacities: %q has a negative maxConcurrentRefreshes", capacity.Name)
		}
		names[name] = true
	}
	workspaces := map[string]bool{}
	for _, folder := range c.DataflowFolders {
		name := strings.ToLower(folder.Workspace)
		switch {
		case folder.Path == "":
			return fmt.Errorf("dataflowFolders: the entry for workspace %q has no path", folder.Workspace)
		case workspaces[name]:
			return fmt.Errorf("dataflowFolders: there are two entries for workspace %q", folder.Workspace)
		}
		workspaces[name] = true
	}
	if _, err := notify.New(c.notifications(nil)); err != nil {
		return fmt.Errorf("notifications: %w", err)
	}
	return c.checkModels()
}

func (c Config) checkModels() error {
	names := map[string]bool{}
	for _, model := range c.Models {
		name := strings.ToLower(model.Name)
		switch {
		case !strings.Contains(name, "/") && uuid.Validate(name) != nil:
			return fmt.Errorf("models: name %q is neither WORKSPACE/NAME nor a GUID", model.Name)
		case names[name]:
			return fmt.Errorf("models: there are two entries for %q", model.Name)
		}
		names[name] = true
		if err := checkShare(model.Guards.LeastShareOfRows); err != nil {
			return fmt.Errorf("models: %q: %w", model.Name, err)
		}
		tables := map[string]bool{}
		for name, guard := range model.Guards.Tables {
			if tables[strings.ToLower(name)] {
				return fmt.Errorf("models: %q: guards.tables has %q twice", model.Name, name)
			}
			tables[strings.ToLower(name)] = true
			if guard.LeastShareOfRows == nil {
				continue
			}
			if err := checkShare(*guard.LeastShareOfRows); err != nil {
				return fmt.Errorf("models: %q: table %q: %w", model.Name, name, err)
			}
		}
	}
	return nil
}

func checkShare(share float64) error {
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("leastShareOfRows %g is not a share from 0 to 1, such as 0.8", share)
	}
	return nil
}

func (c Config) checkListen(key, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s: %q is not HOST:PORT", key, address)
	}
	if c.Auth.Mode == AuthNone && !loopback(host) {
		return fmt.Errorf("auth.mode none lets everybody in, and %s %q is not a loopback address: use 127.0.0.1, or auth.mode local", key, address)
	}
	return nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Duration is a length of time in Go's notation, or in days of 24 hours: 90s, 15m, 24h, 90d.
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	text := scalar(node)
	if number, inDays := strings.CutSuffix(text, "d"); inDays {
		if days, err := strconv.ParseUint(number, 10, 16); err == nil {
			*d = Duration(time.Duration(days) * 24 * time.Hour)
			return nil
		}
	}
	read, err := time.ParseDuration(text)
	if err != nil || read < 0 {
		return fmt.Errorf("%s: %q is not a duration such as 15m, 24h or 90d", where(node), text)
	}
	*d = Duration(read)
	return nil
}

// Size is a number of bytes: 512MiB, 4GiB, 2GB or a plain number.
type Size int64

// UnmarshalYAML reads a size.
func (s *Size) UnmarshalYAML(node ast.Node) error {
	units := []struct {
		name  string
		bytes float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}
	text := scalar(node)
	number, factor := strings.TrimSpace(text), 1.0
	for _, unit := range units {
		if before, found := strings.CutSuffix(number, unit.name); found {
			number, factor = strings.TrimSpace(before), unit.bytes
			break
		}
	}
	read, err := strconv.ParseFloat(number, 64)
	if err != nil || !(read >= 0 && read*factor < 1<<60) {
		return fmt.Errorf("%s: %q is not a size such as 512MiB or 4GiB", where(node), text)
	}
	*s = Size(read * factor)
	return nil
}

// scalar is what a value says, whether YAML takes it for a text or for a number.
func scalar(node ast.Node) string {
	if text, isText := node.(*ast.StringNode); isText {
		return text.Value
	}
	return node.GetToken().Value
}

// where tells the line and the key of a value.
func where(node ast.Node) string {
	return fmt.Sprintf("line %d: %s", node.GetToken().Position.Line, strings.TrimPrefix(node.GetPath(), "$."))
}

// textVisitor changes the texts of a tree until one cannot be changed.
type textVisitor struct {
	change func(*ast.StringNode) error
	err    error
}

// Visit implements ast.Visitor.
func (v *textVisitor) Visit(node ast.Node) ast.Visitor {
	if text, isText := node.(*ast.StringNode); isText && v.err == nil {
		if err := v.change(text); err != nil {
			v.err = fmt.Errorf("line %d: %w", node.GetToken().Position.Line, err)
		}
	}
	return v
}

var reference = regexp.MustCompile(`\$\{(\w+):([^}]*)\}`)

// ReplaceSecrets replaces ${env:NAME} and ${file:PATH} in a text; PATH is meant from the folder.
func ReplaceSecrets(text, folder string, lookupEnv func(string) (string, bool)) (string, error) {
	var problem error
	replaced := reference.ReplaceAllStringFunc(text, func(found string) string {
		match := reference.FindStringSubmatch(found)
		value, err := readSecret(match[1], match[2], folder, lookupEnv)
		if err != nil && problem == nil {
			problem = fmt.Errorf("cannot replace %s: %w", found, err)
		}
		return value
	})
	return replaced, problem
}

func readSecret(kind, name, folder string, lookupEnv func(string) (string, bool)) (string, error) {
	switch kind {
	case "env":
		value, set := lookupEnv(name)
		if !set {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		return value, nil
	case "file":
		content, err := os.ReadFile(absolute(folder, name))
		return strings.TrimRight(string(content), "\r\n"), err
	}
	return "", errors.New("only ${env:NAME} and ${file:PATH} are known")
}

// inPlace words an error of the parser, or of the decoder of the tree under root: line, key, what is wrong, the nearest key. It never prints the
// line itself, which may hold a secret.
func inPlace(err error, root ast.Node, into any) error {
	var known yaml.Error
	if !errors.As(err, &known) || known.GetToken() == nil {
		return err
	}
	line := known.GetToken().Position.Line
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		key := unknown.GetToken().Value
		hint := ""
		switch near := fault.Nearest(key, keys(reflect.TypeOf(into))); near {
		case "":
		case key:
			hint = "; it belongs at another place: see freshet.example.yaml"
		default:
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("line %d: there is no key %q%s", line, key, hint)
	}
	var (
		mistyped *yaml.TypeError
		shaped   *yaml.UnexpectedNodeTypeError
		must     string
	)
	switch {
	case errors.As(err, &mistyped):
		must = kind(mistyped.DstType)
	case errors.As(err, &shaped) && shaped.Expected == ast.SequenceType:
		must = "a list"
	case errors.As(err, &shaped) && shaped.Expected == ast.MappingType:
		must = "made of keys with values"
	}
	value := &tokenVisitor{token: known.GetToken()}
	if root != nil {
		ast.Walk(value, root)
	}
	if must == "" || value.node == nil {
		return fmt.Errorf("line %d: %s", line, known.GetMessage())
	}
	return fmt.Errorf("%s must be %s", where(value.node), must)
}

// tokenVisitor finds the node that a token begins.
type tokenVisitor struct {
	token *token.Token
	node  ast.Node
}

// Visit implements ast.Visitor.
func (v *tokenVisitor) Visit(node ast.Node) ast.Visitor {
	if v.node == nil && node.GetToken() == v.token {
		v.node = node
	}
	return v
}

// kind is what a value of a type is called in the configuration.
func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem())
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return ""
}

// keys lists the keys of a type and of the types in it.
func keys(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer, reflect.Map:
		return keys(t.Elem())
	case reflect.Struct:
		var found []string
		for field := range t.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); name != "" {
				found = append(found, name)
			}
			if field.Tag.Get("yaml") != "" {
				found = append(found, keys(field.Type)...)
			}
		}
		return found
	}
	return nil
}
