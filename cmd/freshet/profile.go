package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"freshet.dev/internal/fault"
	"freshet.dev/internal/server"
	"freshet.dev/powerbi"
)

// profileFile is the file of the profiles.
type profileFile struct {
	Default  string             `yaml:"default"`
	Profiles map[string]profile `yaml:"profiles"`
}

// profile is a host and how to sign in there. Without a credential it is as --host: FRESHET_TOKEN, or the keys of this machine's server.
type profile struct {
	server.Profile `yaml:",inline"`
}

// profilesHelp is the help topic.
func (a *app) profilesHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "profiles",
		Short: "Named profiles: which host, and how to sign in there",
		Long: `A profile is a host with a way to sign in. The profiles stand in $XDG_CONFIG_HOME/freshet/config.yaml, or ~/.config/freshet/config.yaml:

  default: prod                     # without --host, --profile, --data and their variables; can be left out
  profiles:
    prod:
      host: https://api.powerbi.com
      credential: service-principal
      tenant: 0f0b6b0e-8f4e-4d0e-9f0c-0a4f3c1d7a52
      clientId: 0a1b2c3d-0000-4000-8000-000000000001
      clientSecret: ${env:POWERBI_SECRET}        # or ${file:PATH}, from this file's folder
    me:
      host: https://api.powerbi.com
      credential: azure-cli

--profile NAME or FRESHET_PROFILE chooses one. The credentials:

  azure-cli           whoever 'az login' has signed in; tenant if it is not their first one
  device-code         you, in a browser, with the code that is shown; tenant, and clientId of your own application, if wanted. The token is kept
                      nowhere: every verb asks again. For daily work take azure-cli.
  service-principal   tenant, clientId, and clientSecret or certificate (a PEM or PKCS #12 file with its key; certificatePassword)
  managed-identity    the machine's own in Azure; clientId for a user-assigned one
  token               token, such as ${env:MY_TOKEN}

authority is another sign-in host than https://login.microsoftonline.com, such as that of another cloud, whose scope differs, too; it may also be a Freshet that
listens by TLS. Without a credential the verbs sign in as they do
with --host: by FRESHET_TOKEN, or by the keys of the server of this machine.`,
	}
}

// profilesPath is where the profiles stand.
func profilesPath() (string, error) {
	if folder := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "freshet", "config.yaml"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("cannot find the profiles: %w", err)
	}
	return filepath.Join(home, ".config", "freshet", "config.yaml"), nil
}

// readProfiles reads the file of the profiles; there need not be one.
func (a *app) readProfiles() (file profileFile, path string, err error) {
	if path, err = profilesPath(); err != nil {
		return profileFile{}, "", err
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return profileFile{}, path, nil
	}
	if err != nil {
		return profileFile{}, path, fmt.Errorf("cannot read the profiles: %w", err)
	}
	if err := server.DecodeStrict(content, &file); err != nil {
		return profileFile{}, path, fmt.Errorf("cannot use the profiles of %s: %w", path, err)
	}
	if _, found := file.Profiles[file.Default]; file.Default != "" && !found {
		return profileFile{}, path, fmt.Errorf("cannot use the profiles of %s: the default %q is not among them", path, file.Default)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 && file.holdSecret() {
		fmt.Fprintf(a.err, "freshet: warning: %s holds a secret and others may read it: chmod 600 it, or write ${env:NAME} or ${file:PATH} in place of the secret\n", path)
	}
	return file, path, nil
}

// holdSecret tells whether a secret itself stands in the file.
func (f profileFile) holdSecret() bool {
	for _, p := range f.Profiles {
		for _, secret := range []string{p.ClientSecret, p.CertificatePassword, p.Token} {
			if secret != "" && !strings.HasPrefix(secret, "${") {
				return true
			}
		}
	}
	return false
}

// find returns a profile by name.
func (f profileFile) find(name, path string) (profile, error) {
	if p, found := f.Profiles[name]; found {
		return p, nil
	}
	var names []string
	for known := range f.Profiles {
		names = append(names, known)
	}
	slices.Sort(names)
	hint := "'freshet help profiles' tells what belongs there"
	if near := fault.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(names) > 0 {
		hint = "there are " + strings.Join(names, ", ")
	}
	return profile{}, usageError{fmt.Errorf("there is no profile %q in %s; %s", name, path, hint)}
}

// reveal replaces references to secrets. Only the chosen profile's are: another one's need not be there.
func (p profile) reveal(path string) (profile, error) {
	fields := reflect.ValueOf(&p.Profile).Elem()
	for i := range fields.NumField() {
		text, err := server.ReplaceSecrets(fields.Field(i).String(), filepath.Dir(path), os.LookupEnv)
		if err != nil {
			return profile{}, fmt.Errorf("%s: %w", fields.Type().Field(i).Tag.Get("yaml"), err)
		}
		fields.Field(i).SetString(text)
	}
	return p, nil
}

// signIn gives a client the profile's credential.
func (p profile) signIn(a *app, client *powerbi.Client, path string) error {
	return p.SignIn(client, filepath.Dir(path), func(message string) { fmt.Fprintln(a.err, printable(message)) })
}
