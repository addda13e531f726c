package sqldriver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
	"freshet.dev/powerbi/entra"
)

// keys are those of a data source name.
func keys() []string {
	return []string{"workspace", "credential", "tenant", "clientId", "clientSecret", "authority", "scope", "token"}
}

// parseDSN reads a data source name. Its errors never show a value: it may be a secret.
func parseDSN(name string) (Options, error) {
	address, err := url.Parse(name)
	if err != nil {
		return Options{}, errors.New("cannot read the data source name: it is no URL")
	}
	if address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return Options{}, errors.New("cannot use the data source name: it must begin with an address such as https://api.powerbi.com")
	}
	if address.User != nil {
		return Options{}, errors.New("cannot use the data source name: who signs in is told by its keys, not before the host")
	}
	values, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		return Options{}, errors.New("cannot read the keys of the data source name: they are no query of a URL")
	}
	for key, given := range values {
		if !slices.Contains(keys(), key) {
			near := ""
			if found := fault.Nearest(key, keys()); found != "" {
				near = "; did you mean " + found + "?"
			}
			return Options{}, fmt.Errorf("cannot use the data source name: there is no key %q%s", key, near)
		}
		if len(given) > 1 {
			return Options{}, fmt.Errorf("cannot use the data source name: the key %s is given twice", key)
		}
	}
	address.RawQuery, address.Fragment = "", ""
	client, err := signIn(strings.TrimSuffix(address.String(), "/"), values)
	return Options{Client: client, Workspace: values.Get("workspace")}, err
}

func signIn(host string, values url.Values) (*powerbi.Client, error) {
	token := values.Get("token")
	if kind := values.Get("credential"); kind != "" {
		if token != "" {
			return nil, errors.New("cannot use the data source name: it has both a credential and a token")
		}
		if kind == string(entra.DeviceCode) {
			return nil, errors.New("cannot use the data source name: there is nobody to show a device code to; make a client by freshet.dev/powerbi/entra")
		}
		credential, err := entra.New(entra.Kind(kind), entra.Options{
			Tenant: values.Get("tenant"), ClientID: values.Get("clientId"), ClientSecret: values.Get("clientSecret"), Authority: values.Get("authority"), Scope: values.Get("scope"),
		})
		if err != nil {
			return nil, fmt.Errorf("cannot use the data source name: %w", err)
		}
		return credential.Client(host), nil
	}
	for _, key := range []string{"tenant", "clientId", "clientSecret", "authority", "scope"} {
		if values.Has(key) {
			return nil, fmt.Errorf("cannot use the data source name: the key %s is part of a credential, and there is none", key)
		}
	}
	client := &powerbi.Client{Host: host}
	if token != "" {
		client.Token = func(context.Context) (string, error) { return token, nil }
	}
	return client, nil
}
