// Package session is what a login at the gateway becomes: who it acts as, the databases that it sees, and the answers to its statements, which the
// connector gives. It knows no protocol.
//
// A database is a connection to a service: a profile of the configuration, which leads to Power BI, or Freshet itself, whose workspaces are databases each.
// All that a session asks goes through the REST API of its service, so that rights, limits and the log of what was done are those of that API.
package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"freshet.dev/internal/connector"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/gateway"
	"freshet.dev/powerbi"
)

// OwnDatabase is the database of Freshet itself, without a default workspace.
const OwnDatabase = "freshet"

// Login is what a client shows.
type Login struct {
	User, Password string
	Database       string // "": none
	Host           string // the client's own name
	Address        string // of its machine
	Application    string
	Number         int // of the session: @@SPID
}

// Identity is who a login acts as.
type Identity struct {
	Name     string          // of the login
	ID       string          // of the principal at Freshet; no other has it
	Own      *powerbi.Client // Freshet itself as the principal; nil: the login may use profiles alone
	Profiles []string        // that it may use, the first of which is its database when it names none
}

// Profile is a named connection to a service.
type Profile struct {
	Name      string
	Client    *powerbi.Client
	Workspace string // the default one, by name or GUID; "": My workspace
}

// Options are what a Gateway works with. What stands above the line is required.
type Options struct {
	// SignIn tells who a user is whose password is right. The error of a wrong one is of the kind Denied, and tells nobody whether it was the user or the password.
	SignIn func(ctx context.Context, user, password string) (Identity, error)
	// –––
	Profiles []Profile
	Pause    time.Duration // before a wrong login is refused; 0: 1 s
}

// Gateway gives sessions. It is safe for concurrent use.
type Gateway struct {
	options Options

	mu         sync.Mutex
	connectors map[string]*shared // by the key of their database
	turns      map[string]*turn   // by the address of the machine
}

// turn is held by the login of an address whose password is being checked, which is slow on purpose: who guesses keeps nobody out at another address.
type turn struct {
	held  chan struct{}
	users int // that hold it or wait for it; guarded by Gateway.mu
}

// shared is a connector with the sessions that use it.
type shared struct {
	opened sync.Once
	inner  *connector.Connector
	err    error
	users  int // guarded by Gateway.mu
}

// New returns a Gateway. What it opens is closed with the last session that uses it.
func New(options Options) *Gateway {
	if options.Pause == 0 {
		options.Pause = time.Second
	}
	return &Gateway{options: options, connectors: map[string]*shared{}, turns: map[string]*turn{}}
}

// Login gives the session of a login and the name of its database.
func (g *Gateway) Login(ctx context.Context, login Login) (*Session, string, error) {
	refused := time.NewTimer(g.options.Pause) // begun before, so that nobody learns from the time whether there is such a user
	defer refused.Stop()
	identity, err := g.signIn(ctx, login)
	login.Password = ""
	if err != nil {
		if fault.KindOf(err) != fault.Denied {
			return nil, "", err
		}
		select { // who guesses is slow
		case <-refused.C:
		case <-ctx.Done():
		}
		return nil, "", failed(numberLogin, classLogin, "Login failed for user '%s'.", login.User)
	}
	s := &Session{gateway: g, identity: identity, login: login, began: time.Now()}
	db, err := s.find(ctx, login.Database)
	if err != nil {
		return nil, "", err
	}
	if err := s.enter(ctx, db); err != nil {
		return nil, "", err
	}
	s.first = db
	return s, db.name, nil
}

func (g *Gateway) signIn(ctx context.Context, login Login) (Identity, error) {
	g.mu.Lock()
	t := g.turns[login.Address]
	if t == nil {
		t = &turn{held: make(chan struct{}, 1)}
		g.turns[login.Address] = t
	}
	t.users++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(g.turns, login.Address)
		}
	}()
	select {
	case t.held <- struct{}{}:
		defer func() { <-t.held }()
		return g.options.SignIn(ctx, login.User, login.Password)
	case <-ctx.Done():
		return Identity{}, context.Cause(ctx)
	}
}

// database is one that a session sees.
type database struct {
	name      string
	key       string // of its connector
	client    *powerbi.Client
	workspace string // the default one; "": none
	own       bool   // of Freshet itself
}

// databases are those that the session sees. The first is its own when it names none.
func (s *Session) databases(ctx context.Context) ([]database, error) {
	var all []database
	for _, name := range s.identity.Profiles {
		i := slices.IndexFunc(s.gateway.options.Profiles, func(p Profile) bool { return strings.EqualFold(p.Name, name) })
		if i >= 0 {
			p := s.gateway.options.Profiles[i]
			all = append(all, database{name: p.Name, key: "profile " + p.Name, client: p.Client, workspace: p.Workspace})
		}
	}
	own := s.identity.Own
	if own == nil {
		return all, nil
	}
	all = append(all, database{name: OwnDatabase, key: s.identity.ID, client: own, own: true})
	groups, err := own.Groups(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		taken := func(d database) bool { return strings.EqualFold(d.name, group.Name) }
		if !slices.ContainsFunc(all, taken) { // a workspace with the name of a profile is hidden by it
			all = append(all, database{name: group.Name, key: s.identity.ID + " " + group.ID, client: own, workspace: group.ID, own: true})
		}
	}
	return all, nil
}

// find returns a database by its name. Without one, or with that of SQL Server's own database, it is the session's first.
func (s *Session) find(ctx context.Context, name string) (database, error) {
	all, err := s.databases(ctx)
	if err != nil {
		return database{}, err
	}
	s.names = nil
	for _, db := range all {
		s.names = append(s.names, db.name)
	}
	if len(all) == 0 {
		return database{}, failed(numberDatabase, classLogin, "cannot open a database: the login '%s' has none; name profiles of the configuration for it", s.identity.Name)
	}
	if name == "" || strings.EqualFold(name, "master") {
		return all[0], nil
	}
	i := slices.IndexFunc(all, func(db database) bool { return strings.EqualFold(db.name, name) })
	if i < 0 {
		return database{}, failed(numberDatabase, classLogin, "cannot open the database '%s': there is no such for this login; there are %s", name, strings.Join(s.names, ", "))
	}
	return all[i], nil
}

// other is find for statements, to which an unknown database is another error than to a login.
func (s *Session) other(ctx context.Context, name string) (database, error) {
	db, err := s.find(ctx, name)
	var known *gateway.Error
	if errors.As(err, &known) {
		err = failed(numberNoSuch, classStatement, "%s", known.Text)
	}
	return db, err
}

// enter makes a database the session's.
func (s *Session) enter(ctx context.Context, db database) error {
	if s.connector != nil && s.database.key == db.key {
		s.database = db
		return nil
	}
	inner, err := s.gateway.take(ctx, db)
	if err != nil {
		return err
	}
	s.Close()
	s.connector, s.database = inner, db
	return nil
}

// take returns the connector of a database with one more user.
func (g *Gateway) take(ctx context.Context, db database) (*connector.Connector, error) {
	g.mu.Lock()
	c := g.connectors[db.key]
	if c == nil {
		c = &shared{}
		g.connectors[db.key] = c
	}
	c.users++
	g.mu.Unlock()
	c.opened.Do(func() {
		// It outlives the session that happens to be the first.
		c.inner, c.err = connector.New(context.WithoutCancel(ctx), connector.Options{Client: db.client, Workspace: db.workspace})
	})
	if c.err != nil {
		g.give(db)
	}
	return c.inner, c.err
}

// give ends one use of a connector, and closes it after the last.
func (g *Gateway) give(db database) {
	g.mu.Lock()
	c := g.connectors[db.key]
	c.users--
	last := c.users == 0
	if last {
		delete(g.connectors, db.key)
	}
	g.mu.Unlock()
	if last && c.inner != nil {
		_ = c.inner.Close() // nothing is lost by what it cannot end
	}
}

// Close ends the session.
func (s *Session) Close() {
	if s.connector != nil {
		s.connector = nil
		s.gateway.give(s.database)
	}
}
