package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"freshet.dev/internal/fault"
	"freshet.dev/powerbi"
	"freshet.dev/powerbi/entra"
)

// Profile is a host and how to sign in there.
type Profile struct {
	Host                string `yaml:"host"`
	Credential          string `yaml:"credential"` // token, or a kind of entra
	Token               string `yaml:"token"`
	Tenant              string `yaml:"tenant"`
	ClientID            string `yaml:"clientId"`
	ClientSecret        string `yaml:"clientSecret"`
	Certificate         string `yaml:"certificate"` // a file
	CertificatePassword string `yaml:"certificatePassword"`
	Authority           string `yaml:"authority"`
	Scope               string `yaml:"scope"`
}

// byToken is the credential that is a token.
const byToken = "token"

// SignIn gives a client the profile's credential. A relative path is meant from the folder; showCode tells a person what to do to sign in.
func (p Profile) SignIn(client *powerbi.Client, folder string, showCode func(message string)) error {
	if p.Credential == byToken {
		if p.Token == "" {
			return errors.New("the credential token needs the key token")
		}
		client.Token = func(context.Context) (string, error) { return p.Token, nil }
		return nil
	}
	kinds := []string{byToken}
	for _, kind := range entra.Kinds() {
		kinds = append(kinds, string(kind))
	}
	if p.Credential == "" {
		return errors.New("its keys need the key credential beside them, which is " + strings.Join(kinds, ", "))
	}
	if !slices.Contains(kinds, p.Credential) {
		hint := "the credentials are " + strings.Join(kinds, ", ")
		if near := fault.Nearest(p.Credential, kinds); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return fmt.Errorf("there is no credential %q; %s", p.Credential, hint)
	}
	if p.Token != "" {
		return fmt.Errorf("the credential %s has no use for a token", p.Credential)
	}
	options := entra.Options{Tenant: p.Tenant, ClientID: p.ClientID, ClientSecret: p.ClientSecret, CertificatePassword: p.CertificatePassword, Authority: p.Authority, Scope: p.Scope}
	if p.Certificate != "" {
		content, err := os.ReadFile(absolute(folder, p.Certificate))
		if err != nil {
			return fmt.Errorf("cannot read the certificate: %w", err)
		}
		options.Certificate = content
	}
	if p.Credential == string(entra.DeviceCode) {
		options.ShowCode = showCode
	}
	credential, err := entra.New(entra.Kind(p.Credential), options)
	if err != nil {
		return err
	}
	client.Token, client.Refused = credential.Token, credential.Refused
	return nil
}
