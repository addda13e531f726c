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
	"strings"
	"time"

	"github.com/google/uuid"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

const defaultHost = "http://" + server.DefaultListen

// connect returns a client of the server that the flags and the environment mean.
func (a *app) connect() (*powerbi.Client, error) {
	local, found := a.findLocal()
	if a.host == "" {
		a.host = os.Getenv("FRESHET_HOST")
	}
	if a.host == "" {
		a.host = defaultHost
		if found {
			a.host = local.URL
		}
	}
	if !strings.Contains(a.host, "://") {
		return nil, usageError{fmt.Errorf("--host %s must begin with http:// or https://", a.host)}
	}
	client := &powerbi.Client{Host: a.host, HTTP: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 5 * time.Minute,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, ForceAttemptHTTP2: true,
	}}}
	if token := os.Getenv("FRESHET_TOKEN"); token != "" {
		client.Token = func(context.Context) (string, error) { return token, nil }
	} else if found && sameServer(local.URL, a.host) && !local.Open {
		issuer, err := auth.NewLocal(local.Data)
		if err != nil {
			return nil, fmt.Errorf("cannot sign in with the keys of %s: %w", local.Data, err)
		}
		client.Token = func(context.Context) (string, error) { return issuer.Issue(ownerClaims()) }
	}
	return client, nil
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

// model is a model with the workspace that it is in.
type model struct {
	powerbi.Dataset
	Workspace   string // its name; "" is My workspace
	WorkspaceID string
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
		return model{Dataset: dataset}, err
	}
	models, err := listModels(ctx, client, "")
	if err != nil {
		return model{}, err
	}
	var found []model
	for _, m := range models {
		if strings.EqualFold(m.Name, text) || strings.EqualFold(m.String(), text) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return model{}, fmt.Errorf("cannot find a model %q; 'freshet models' lists them", text)
	case 1:
		return found[0], nil
	}
	var names []string
	for _, m := range found {
		names = append(names, fmt.Sprintf("%s (%s)", m, m.ID))
	}
	return model{}, usageError{errors.New("several models have that name, name one of them: " + strings.Join(names, ", "))}
}

// open connects and finds the model that a verb's first argument names.
func (a *app) open(ctx context.Context, name string) (*powerbi.Client, model, error) {
	client, err := a.connect()
	if err != nil {
		return nil, model{}, err
	}
	m, err := findModel(ctx, client, name)
	return client, m, err
}
