package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"freshet.dev/internal/auth"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway/session"
	"freshet.dev/internal/gateway/tds"
	"freshet.dev/powerbi"
	"freshet.dev/powerbi/entra"
)

// TDS says how clients of SQL Server are spoken to.
type TDS struct {
	Encryption string `yaml:"encryption"` // login, required, strict or off; "": login
}

// encryptions are the words for what is encrypted.
func encryptions() map[string]tds.Encryption {
	return map[string]tds.Encryption{"": tds.EncryptLogin, "login": tds.EncryptLogin, "required": tds.EncryptRequired, "strict": tds.EncryptStrict, "off": tds.EncryptOff}
}

// Profiles are the connections of SQL clients, by name.
type Profiles map[string]GatewayProfile

// GatewayProfile is a connection to Power BI.
type GatewayProfile struct {
	Profile   `yaml:",inline"`
	Workspace string `yaml:"workspace"` // the default one, by name or GUID
}

// SQLLogin is a login of SQL clients that is no client.
type SQLLogin struct {
	Name         string   `yaml:"name"`
	PasswordHash string   `yaml:"passwordHash"`
	Client       string   `yaml:"client"`   // which it acts as at this server, by id or name; "": it may only use profiles
	Profiles     []string `yaml:"profiles"` // that it may use; the first is its default
}

// client finds a client by its id or name.
func (c Config) client(name string) (Client, bool) {
	i := slices.IndexFunc(c.Clients, func(client Client) bool {
		return strings.EqualFold(client.ID, name) || client.Name != "" && strings.EqualFold(client.Name, name)
	})
	if i < 0 {
		return Client{}, false
	}
	return c.Clients[i], true
}

// checkGateway finds what cannot work of what SQL clients are told.
func (c Config) checkGateway() error {
	if c.TDSListen != "" {
		if err := c.checkListen("tdsListen", c.TDSListen); err != nil {
			return err
		}
	}
	if _, known := encryptions()[c.TDS.Encryption]; !known {
		return fmt.Errorf("tds.encryption: there is no %q: it is login, required, strict or off", c.TDS.Encryption)
	}
	names := map[string]bool{session.OwnDatabase: true, "master": true}
	for name, p := range c.Profiles {
		if names[strings.ToLower(name)] || name == "" {
			return fmt.Errorf("profiles: %q cannot be a profile's name: two have it, or the server's own database", name)
		}
		names[strings.ToLower(name)] = true
		if p.Credential == string(entra.DeviceCode) || p.Credential == "" {
			return fmt.Errorf("profiles: %q needs a credential that asks nobody: service-principal, managed-identity, azure-cli or token", name)
		}
	}
	logins := map[string]bool{}
	for _, login := range c.SQLLogins {
		if login.Name == "" || logins[strings.ToLower(login.Name)] {
			return fmt.Errorf("sqlLogins: %q is named twice, or not at all", login.Name)
		}
		logins[strings.ToLower(login.Name)] = true
		if login.PasswordHash == "" {
			return fmt.Errorf("sqlLogins: %q has no passwordHash; 'freshet secret' makes one", login.Name)
		}
		if _, known := c.client(login.Client); login.Client != "" && !known {
			return fmt.Errorf("sqlLogins: %q acts as the client %q, which is not among clients", login.Name, login.Client)
		}
		for _, name := range login.Profiles {
			if _, known := c.Profiles[name]; !known {
				return fmt.Errorf("sqlLogins: %q may use the profile %q, which is not among profiles", login.Name, name)
			}
		}
	}
	return nil
}

// gatewayDoor is where clients of SQL Server come in.
type gatewayDoor struct {
	listener net.Listener
	server   *tds.Server
}

// serve serves until ctx ends, and then lets statements end.
func (d *gatewayDoor) serve(ctx context.Context) error {
	if d == nil {
		return nil
	}
	if err := d.server.Serve(ctx, d.listener); err != nil {
		return fault.New(fault.Unavailable, codeAddress, "cannot serve clients of SQL Server: %w", err)
	}
	return nil
}

// listenTDS opens the door for clients of SQL Server.
func (s *Server) listenTDS(handler http.Handler) error {
	if s.config.TDSListen == "" {
		return nil
	}
	options, err := s.sessions(handler)
	if err != nil {
		return err
	}
	if s.config.Auth.Mode != AuthNone && len(s.config.Clients)+len(s.config.SQLLogins) == 0 {
		s.logger.Warn("nobody can log in where clients of SQL Server are answered: the configuration has neither clients nor sqlLogins", "tdsListen", s.config.TDSListen)
	}
	sessions := session.New(options)
	server := &tds.Server{Encryption: encryptions()[s.config.TDS.Encryption], Log: s.logger, Drain: drainTime, MaxConnections: s.config.Limits.Connections,
		Authenticate: func(ctx context.Context, l tds.Login) (tds.Session, string, error) {
			address, _, err := net.SplitHostPort(l.Remote.String())
			if err != nil {
				return nil, "", fault.New(fault.Internal, fault.CodeInternal, "cannot tell where the login comes from: %w", err)
			}
			return sessions.Login(ctx, session.Login{User: l.User, Password: l.Password, Database: l.Database, Host: l.Host, Address: address, Application: l.Application, Number: l.Number})
		}}
	if server.Encryption != tds.EncryptOff {
		server.TLS = &tls.Config{}
		if server.TLS.GetCertificate, err = s.certificate(); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", s.config.TDSListen)
	if err != nil {
		return cannotListen(s.config.TDSListen, "--tds-listen", err)
	}
	s.later(closing(listener))
	s.gateway = &gatewayDoor{listener, server}
	s.address.TDS = reachable(listener)
	return nil
}

// sessions are the profiles and logins of the configuration.
func (s *Server) sessions(handler http.Handler) (session.Options, error) {
	var options session.Options
	names := slices.Sorted(maps.Keys(s.config.Profiles))
	for _, name := range names {
		p := s.config.Profiles[name]
		client := &powerbi.Client{Host: cmp.Or(p.Host, powerbi.DefaultHost), HTTP: &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 5 * time.Minute,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, ForceAttemptHTTP2: true,
		}}}
		if err := p.SignIn(client, "", nil); err != nil {
			return options, fault.New(fault.Invalid, CodeConfig, "cannot use the profile %q: %w", name, err)
		}
		options.Profiles = append(options.Profiles, session.Profile{Name: name, Client: client, Workspace: p.Workspace})
	}
	logins, err := s.logins()
	if err != nil {
		return options, err
	}
	clients, err := auth.NewSignIn(nil, s.config.clients(), time.Now)
	if err != nil {
		return options, err
	}
	as := func(client auth.Principal) *powerbi.Client {
		return &powerbi.Client{Host: s.address.URL, HTTP: &http.Client{Transport: inside{handler, client}}}
	}
	options.SignIn = func(_ context.Context, user, password string) (session.Identity, error) {
		for _, login := range s.config.SQLLogins {
			if !strings.EqualFold(login.Name, user) {
				continue
			}
			if _, err := logins.Prove(user, password); err != nil {
				return session.Identity{}, err
			}
			identity := session.Identity{Name: login.Name, Profiles: login.Profiles}
			if client, known := s.config.client(login.Client); known {
				p := principalOf(client)
				identity.ID, identity.Own = p.ID, as(p)
			}
			return identity, nil
		}
		if s.config.Auth.Mode == AuthNone {
			p := auth.MachineOwner()
			return session.Identity{Name: cmp.Or(user, p.Name), ID: p.ID, Own: as(p), Profiles: names}, nil
		}
		client, known := s.config.client(user)
		if !known {
			client.ID = user // to be refused like a wrong secret
		}
		if _, err := clients.Prove(client.ID, password); err != nil {
			return session.Identity{}, err
		}
		p := principalOf(client)
		return session.Identity{Name: p.Name, ID: p.ID, Own: as(p)}, nil
	}
	return options, nil
}

// logins checks the passwords of sqlLogins as those of clients are.
func (s *Server) logins() (*auth.SignIn, error) {
	clients := make([]auth.Client, len(s.config.SQLLogins))
	for i, login := range s.config.SQLLogins {
		clients[i] = auth.Client{ID: login.Name, SecretHash: login.PasswordHash}
	}
	logins, err := auth.NewSignIn(nil, clients, time.Now)
	if err != nil {
		return nil, fault.New(fault.Invalid, CodeConfig, "cannot use sqlLogins: %w", err)
	}
	return logins, nil
}

// principalOf is who a client is to the REST API.
func principalOf(client Client) auth.Principal {
	id := strings.ToLower(client.ID)
	return auth.Principal{ID: id, Name: cmp.Or(client.Name, id), App: true}
}
