package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

const defaultHost = "http://" + server.DefaultListen

// target is whom the verbs talk to.
type target struct {
	host    string
	profile profile // with a credential, or the zero value
	name    string  // of the profile
	path    string  // where it stands
	local   server.Address
	found   bool // local is a server that runs
}

// choose finds out whom to talk to: what a flag names, else what the environment names, else the server of this machine that --data names, else the
// default profile, else the server of this machine.
func (a *app) choose() (target, error) {
	if a.chosen != nil {
		return *a.chosen, nil
	}
	var t target
	t.local, t.found = a.findLocal()
	host, name := a.host, a.profile
	if host == "" && name == "" {
		host, name = os.Getenv("FRESHET_HOST"), os.Getenv("FRESHET_PROFILE")
	}
	if host != "" && name != "" {
		return target{}, usageError{fmt.Errorf("the host %s and the profile %q are both named; a profile has a host of its own", host, name)}
	}
	if host == "" {
		file, path, err := a.readProfiles()
		if err != nil {
			return target{}, err
		}
		if name == "" && a.data == "" {
			name = file.Default
		}
		if name != "" {
			p, err := file.find(name, path)
			if err != nil {
				return target{}, err
			}
			if t.profile, err = p.reveal(path); err == nil && p.Host == "" {
				err = errors.New("it names no host")
			}
			if err != nil {
				return target{}, fmt.Errorf("cannot use the profile %q of %s: %w", name, path, err)
			}
			host, t.name, t.path = t.profile.Host, name, path
		}
	}
	switch {
	case host != "":
		t.host = host
	case t.found:
		t.host = t.local.URL
	default:
		t.host = defaultHost
	}
	if !strings.Contains(t.host, "://") {
		return target{}, usageError{fmt.Errorf("the host %s must begin with http:// or https://", t.host)}
	}
	a.host, a.chosen = t.host, &t
	return t, nil
}

// isPowerBI tells whether a host is Power BI itself, in one of its clouds.
func isPowerBI(host string) bool {
	address, err := url.Parse(host)
	if err != nil {
		return false
	}
	for _, domain := range []string{"powerbi.com", "powerbigov.us", "powerbi.cn"} {
		if name := strings.ToLower(address.Hostname()); strings.HasSuffix(name, "."+domain) {
			return true
		}
	}
	return false
}

// connect returns a client of the server that the flags, the environment or a profile mean.
func (a *app) connect() (*powerbi.Client, error) {
	t, err := a.choose()
	if err != nil {
		return nil, err
	}
	client := &powerbi.Client{Host: t.host, OnPause: a.tellPause, HTTP: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 5 * time.Minute,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, ForceAttemptHTTP2: true,
	}}}
	token := strings.TrimSpace(os.Getenv("FRESHET_TOKEN")) // files end with a line break
	switch {
	case t.profile.Profile != server.Profile{Host: t.profile.Host}:
		if err := t.profile.signIn(a, client, t.path); err != nil {
			return nil, fmt.Errorf("cannot use the profile %q of %s: %w", t.name, t.path, err)
		}
	case token != "":
		client.Token = func(context.Context) (string, error) { return token, nil }
	case t.found && sameServer(t.local.URL, t.host) && !t.local.Open:
		issuer, err := auth.NewLocal(t.local.Data)
		if err != nil {
			return nil, fmt.Errorf("cannot sign in with the keys of %s: %w", t.local.Data, err)
		}
		client.Token = func(context.Context) (string, error) { return issuer.Issue(ownerClaims()) }
	case isPowerBI(t.host):
		return nil, usageError{fmt.Errorf("cannot sign in to %s: there is no token in FRESHET_TOKEN, and no profile with a credential; 'freshet help profiles' tells how to make one", t.host)}
	}
	return client, nil
}

// tellPause tells of a pause that a person would take for a standstill.
func (a *app) tellPause(err error, pause time.Duration) {
	if pause >= 5*time.Second {
		fmt.Fprintf(a.err, "freshet: %s; trying again in %s\n", printable(failureText(err)), pause.Round(time.Second))
	}
}

// The annotation of verbs and flags that Power BI has nothing for.
const onlyFreshet = "freshet"

// freshetOnly marks a verb, and the verbs below it.
func freshetOnly(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{onlyFreshet: ""}
	for _, below := range cmd.Commands() {
		freshetOnly(below)
	}
	return cmd
}

// freshetFlags marks flags of a verb.
func freshetFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.Flags().SetAnnotation(name, onlyFreshet, nil); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// fits refuses what Power BI cannot do before anything is asked of it.
func (a *app) fits(cmd *cobra.Command, _ []string) error {
	what := ""
	if _, marked := cmd.Annotations[onlyFreshet]; marked {
		what = "freshet " + strings.TrimPrefix(cmd.CommandPath(), "freshet ")
	}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if _, marked := flag.Annotations[onlyFreshet]; marked {
			what = "--" + flag.Name
		}
	})
	if what == "" || cmd.HasSubCommands() {
		return nil
	}
	t, err := a.choose()
	if err == nil && isPowerBI(t.host) {
		err = usageError{fmt.Errorf("'%s' is for Freshet alone: %s is Power BI, which has nothing like it", what, t.host)}
	}
	return err
}

// findLocal finds the running server of this machine whose data directory the caller may read.
func (a *app) findLocal() (server.Address, bool) {
	folders := []string{"data", "demo-data"}
	if a.data == "" {
		a.data = os.Getenv("FRESHET_DATA")
	}
	if a.data != "" {
		folders = []string{a.data}
	}
	for _, folder := range folders {
		if address, running := server.Find(folder); running {
			return address, true
		}
	}
	return server.Address{}, false
}

// sameServer compares two URLs of loopback servers, which may be spelt by name or by number.
func sameServer(a, b string) bool {
	one, err1 := url.Parse(a)
	other, err2 := url.Parse(b)
	if err1 != nil || err2 != nil || one.Scheme != other.Scheme || one.Port() != other.Port() {
		return false
	}
	return one.Hostname() == other.Hostname() || isLoopback(one.Hostname()) && isLoopback(other.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ownerClaims describe the person at this machine, who can read the server's keys and so may do all.
func ownerClaims() auth.Claims {
	name := "owner"
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	return auth.Claims{Name: name, Owner: true, Scopes: auth.AllScopes()}
}

// noModel is the error of a name that no model has.
type noModel string

func (name noModel) Error() string {
	return fmt.Sprintf("cannot find a model %q; 'freshet models' lists them", string(name))
}

// openData is open for what Freshet's own routes tell of: a model or, where none has that name, a dataflow.
func (a *app) openData(ctx context.Context, name string) (*powerbi.Client, model, error) {
	client, err := a.connect()
	if err != nil {
		return nil, model{}, err
	}
	m, err := findModel(ctx, client, name)
	var none noModel
	var refusal *powerbi.Error
	if !errors.As(err, &none) && !(errors.As(err, &refusal) && refusal.Status == http.StatusNotFound) {
		return client, m, err
	}
	flows, listing := listFlows(ctx, client, "")
	if listing != nil {
		return nil, model{}, listing
	}
	f, finding := findFlow(flows, name)
	var several usageError
	switch {
	case errors.As(finding, &several):
		return nil, model{}, finding
	case finding != nil:
		return nil, model{}, err
	}
	return client, f.data(), nil
}

// model is a model, or what stands for a dataflow where a verb is for both, with the workspace that it is in.
type model struct {
	powerbi.Dataset
	Workspace   string // its name; "" is My workspace
	WorkspaceID string
	Dataflow    bool // it is one, which Power BI tells of by other routes
}

func (m model) ref() powerbi.Ref { return powerbi.Ref{GroupID: m.WorkspaceID, DatasetID: m.ID} }

func (m model) String() string {
	if m.Workspace == "" {
		return m.Name
	}
	return m.Workspace + "/" + m.Name
}

// listModels lists the models of one workspace by name or GUID, or with "" of all, My workspace first.
func listModels(ctx context.Context, client *powerbi.Client, workspace string) ([]model, error) {
	filter := ""
	if workspace != "" && uuid.Validate(workspace) != nil {
		filter = powerbi.NameFilter(workspace)
	}
	groups, err := client.Groups(ctx, filter)
	if err != nil {
		return nil, err
	}
	var models []model
	if workspace == "" {
		mine, err := client.Datasets(ctx, "")
		var refusal *powerbi.Error
		if errors.As(err, &refusal) && refusal.Status == http.StatusForbidden && !refusal.FromFreshet() {
			err = nil // a service principal has no My workspace at Power BI
		}
		if err != nil {
			return nil, err
		}
		for _, dataset := range mine {
			models = append(models, model{Dataset: dataset})
		}
	}
	found := false
	for _, group := range groups {
		if workspace != "" && !strings.EqualFold(group.Name, workspace) && !strings.EqualFold(group.ID, workspace) {
			continue
		}
		found = true
		datasets, err := client.Datasets(ctx, group.ID)
		if err != nil {
			return nil, err
		}
		for _, dataset := range datasets {
			models = append(models, model{Dataset: dataset, Workspace: group.Name, WorkspaceID: group.ID})
		}
	}
	if workspace != "" && !found {
		return nil, fmt.Errorf("cannot find a workspace %q; 'freshet workspaces' lists them", workspace)
	}
	return models, nil
}

// findModel finds MODEL: a name, WORKSPACE/NAME or a GUID.
func findModel(ctx context.Context, client *powerbi.Client, text string) (model, error) {
	if uuid.Validate(text) == nil {
		dataset, err := client.Dataset(ctx, powerbi.Ref{DatasetID: text})
		var refusal *powerbi.Error
		if !errors.As(err, &refusal) || refusal.FromFreshet() || refusal.Status != http.StatusNotFound && refusal.Status != http.StatusForbidden {
			return model{Dataset: dataset}, err
		}
		// Power BI knows a model by its id alone in My workspace only.
	}
	models, err := candidates(ctx, client, text)
	if err != nil {
		return model{}, err
	}
	var found []model
	for _, m := range models {
		if strings.EqualFold(m.ID, text) || strings.EqualFold(m.Name, text) || strings.EqualFold(m.String(), text) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return model{}, noModel(text)
	case 1:
		return found[0], nil
	}
	var names []string
	for _, m := range found {
		names = append(names, fmt.Sprintf("%s (%s)", m, m.ID))
	}
	return model{}, usageError{errors.New("several models have that name, name one of them: " + strings.Join(names, ", "))}
}

// candidates lists the models among which MODEL is to be found: of WORKSPACE/NAME the models of that workspace, without a look into every other one.
func candidates(ctx context.Context, client *powerbi.Client, text string) ([]model, error) {
	for i, letter := range text {
		if letter != '/' {
			continue
		}
		groups, err := client.Groups(ctx, powerbi.NameFilter(text[:i]))
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			if !strings.EqualFold(group.Name, text[:i]) {
				continue
			}
			models, err := listModels(ctx, client, group.ID)
			if err != nil || slices.ContainsFunc(models, func(m model) bool { return strings.EqualFold(m.String(), text) }) {
				return models, err
			}
		}
	}
	return listModels(ctx, client, "")
}

// open connects and finds the model that a verb's first argument names. A dataflow of that name is an error that says so.
func (a *app) open(ctx context.Context, name string) (*powerbi.Client, model, error) {
	client, err := a.connect()
	if err != nil {
		return nil, model{}, err
	}
	m, err := findModel(ctx, client, name)
	var none noModel
	if errors.As(err, &none) {
		if flows, listing := listFlows(ctx, client, ""); listing == nil {
			if f, finding := findFlow(flows, name); finding == nil {
				err = fmt.Errorf("cannot find a model %q: %s is a dataflow, and this verb is for models; 'freshet dataflows --help' lists those for dataflows", name, f)
			}
		}
	}
	return client, m, err
}
