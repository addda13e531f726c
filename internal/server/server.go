// Package server is where everything meets: it opens the rooms in their order, serves the REST API, and closes them again.
package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"freshet.dev/internal/api"
	"freshet.dev/internal/auth"
	"freshet.dev/internal/capacity"
	"freshet.dev/internal/catalog"
	"freshet.dev/internal/dataflow"
	"freshet.dev/internal/dataflow/cdmfolder"
	"freshet.dev/internal/fault"
	"freshet.dev/internal/notify"
	"freshet.dev/internal/query"
	"freshet.dev/internal/refresh"
	"freshet.dev/internal/schedule"
	"freshet.dev/internal/source"
	"freshet.dev/internal/store"
	"freshet.dev/internal/workspace"
)

// What lies in a data directory.
const (
	lockFile    = "lock"
	addressFile = "server.json"
	catalogFile = "catalog.db"
	storeFolder = "files"
	tempFolder  = "temp"
)

// The server's own limits of time.
const (
	drainTime  = 30 * time.Second // for requests that run when the server is told to stop
	sweepEvery = 5 * time.Minute
)

// Address is where a server is reached.
type Address struct {
	URL  string `json:"url"`
	Data string `json:"data"`          // its data directory, absolute
	Open bool   `json:"open"`          // without sign-in
	TLS  string `json:"tls,omitempty"` // HOST:PORT of the door with TLS; "" = none
	TDS  string `json:"tds,omitempty"` // HOST:PORT of the door for SQL Server's clients; "" = none
	CA   string `json:"ca,omitempty"`  // the file of the private authority's certificate; "" = the certificate is one of the configuration
}

// Server is a Freshet server with everything that belongs to it.
type Server struct {
	config   Config
	logger   *slog.Logger
	address  Address
	listener net.Listener
	tls      net.Listener // nil: no TLS
	http     *http.Server
	gateway  *gatewayDoor  // nil: no SQL clients
	stopping chan struct{} // closed when the server has been told to stop
	engine   *refresh.Engine
	rows     *catalog.Catalog
	store    *store.Store
	notify   *notify.Service
	folders  *cdmfolder.Service // nil: no dataflow is written as a CDM folder
	closers  []func() error     // in the order of opening
}

// Open locks the data directory, opens all rooms, and listens. The caller calls Run, and in any case Close.
func Open(ctx context.Context, config Config, logger *slog.Logger) (*Server, error) {
	if err := config.check(); err != nil {
		return nil, fault.New(fault.Invalid, CodeConfig, "cannot use the configuration: %w", err)
	}
	data, err := filepath.Abs(config.Data)
	if err != nil {
		return nil, fault.New(fault.Invalid, CodeConfig, "cannot use the data directory %s: %w", config.Data, err)
	}
	config.Data = data
	s := &Server{config: config, logger: logger, stopping: make(chan struct{})}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// later adds what Close will do before all that was added earlier.
func (s *Server) later(close func() error) { s.closers = append(s.closers, close) }

func (s *Server) open(ctx context.Context) error {
	if err := s.lock(); err != nil {
		return err
	}
	rows, err := catalog.Open(ctx, filepath.Join(s.config.Data, catalogFile))
	if err != nil {
		return err
	}
	s.rows = rows
	s.later(rows.Close)
	if s.notify, err = notify.New(s.config.notifications(s.logger)); err != nil {
		return err
	}
	rows.Notify(s.notify)
	if s.store, err = store.Open(store.Options{
		Dir: filepath.Join(s.config.Data, storeFolder), Versions: rows, Keep: time.Duration(s.config.KeepVersions), Now: time.Now, NewID: uuid.NewString,
	}); err != nil {
		return err
	}
	capacities, names, err := s.capacities(ctx, rows)
	if err != nil {
		return err
	}
	sources, err := source.NewRegistry(kinds(), formats(), s.config.DataSources)
	if err != nil {
		return fault.New(fault.Invalid, CodeConfig, "cannot use the configuration: %w", err)
	}
	s.later(sources.Close)
	workspaces := workspace.New(rows, Language{time.Now}, workspace.Options{Capacities: names, Given: s.config.roles()})
	temp, err := s.tempFolder()
	if err != nil {
		return err
	}
	disk, spill := store.NewDisk(s.config.Data, int64(s.config.MinFreeDisk), nil), store.NewDisk(temp, int64(s.config.MinFreeDisk), nil)
	if s.engine, err = refresh.New(refresh.Options{
		Log: rows, Models: rows, Chains: flows{rows, workspaces}, Store: s.store, Sources: sources, Dataflows: flows{rows, workspaces}, Capacities: capacities, TempDir: filepath.Join(temp, "refresh"),
		Owner: owner(), Now: time.Now, NewID: uuid.NewString, Logger: s.logger,
		KeepHistory: time.Duration(s.config.KeepHistory), KeepFinishedFor: time.Duration(s.config.KeepFinishedFor), RetryAll: s.config.RetryAll, EvictedRetry: s.config.EvictedRetry, Disk: disk, SpillDisk: spill, Guards: s.config.guards(),
	}); err != nil {
		return err
	}
	if err := s.lookForModels(ctx, rows); err != nil {
		return err
	}
	queries, err := query.New(query.Options{Store: s.store, Models: rows, Capacities: capacities, TempDir: filepath.Join(temp, "query"), Disk: spill, Live: s.engine})
	if err != nil {
		return err
	}
	s.later(func() error { queries.Close(); return nil })
	s.folders = s.cdmFolders(capacities[0], filepath.Join(temp, "cdm"))
	options := api.Options{
		Workspaces: workspaces, Engine: s.engine, Dataflows: dataflow.New(s.engine), Queries: queries, Schedules: schedule.NewService(rows, time.Now), LiveSchedules: schedule.NewLiveService(rows), Ready: func(ctx context.Context) error {
			_, err := rows.Workspaces(ctx)
			return err
		},
		Hosts: s.config.hosts(), StandardDetails: s.config.StandardDetails, Limits: s.config.Limits.perCaller(), Now: time.Now, Stopping: s.stopping, NewID: uuid.NewString, Logger: s.logger,
	}
	switch s.config.Auth.Mode {
	case AuthLocal:
		options.Verifier, options.SignIn, err = s.issuer()
	case AuthEntra:
		options.Verifier, err = auth.NewEntra(auth.EntraOptions{
			Tenant: s.config.Auth.Tenant, Audiences: s.config.Auth.Audiences, Owners: s.config.Auth.Administrators, Client: &http.Client{}, Now: time.Now,
		})
	}
	if err != nil {
		return err
	}
	if s.config.TDSListen != "" && options.Verifier != nil {
		options.Verifier = insiders{options.Verifier}
	}
	return s.listen(api.New(options))
}

// tempFolder makes the folder for what loads and queries spill. In the one that the configuration names each server has its own, since it
// empties it when it starts.
func (s *Server) tempFolder() (string, error) {
	folder := filepath.Join(s.config.Data, tempFolder)
	if s.config.Spill != "" {
		sum := sha256.Sum256([]byte(s.config.Data))
		folder = filepath.Join(s.config.Spill, "freshet-"+hex.EncodeToString(sum[:6]))
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fault.New(fault.Invalid, CodeConfig, "cannot make the folder to spill to: %w", err).
			WithHint("Name one that this server may write to as spill in the configuration.")
	}
	return folder, nil
}

// issuer opens the sign-in of this machine.
func (s *Server) issuer() (*auth.Local, *auth.SignIn, error) {
	local, err := auth.NewLocal(s.config.Data)
	if err != nil {
		return nil, nil, err
	}
	signIn, err := auth.NewSignIn(local, s.config.clients(), time.Now)
	return local, signIn, err
}

// clients are those that sign in.
func (c Config) clients() []auth.Client {
	clients := make([]auth.Client, len(c.Clients))
	for i, client := range c.Clients {
		clients[i] = auth.Client{ID: client.ID, Name: client.Name, SecretHash: client.SecretHash}
	}
	return clients
}

// hosts are the names by which callers may reach the server.
func (c Config) hosts() []string {
	if c.TLSListen == "" {
		return c.Hosts
	}
	return append(StandsFor(), c.Hosts...)
}

// roles are those that the configuration gives to clients.
func (c Config) roles() []workspace.Given {
	var given []workspace.Given
	for _, client := range c.Clients {
		for name, text := range client.Roles {
			if role, err := workspace.ParseRole(text); err == nil { // check has seen them
				given = append(given, workspace.Given{Principal: strings.ToLower(client.ID), Workspace: name, Role: role})
			}
		}
	}
	return given
}

// owner names this process in the log of operations.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// lock makes the data directory this process's own.
func (s *Server) lock() error {
	if err := os.MkdirAll(s.config.Data, 0o700); err != nil {
		return fault.New(fault.Invalid, CodeConfig, "cannot make the data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(s.config.Data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fault.New(fault.Invalid, CodeConfig, "cannot lock the data directory: %w", err)
	}
	s.later(file.Close)
	if err := flock(file); err != nil {
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return fault.New(fault.Invalid, CodeConfig, "cannot lock the data directory %s: %w", s.config.Data, err).
				WithHint("Name a directory on a local disk with --data.")
		}
		refusal := fault.New(fault.Conflict, codeInUse, "cannot use the data directory %s: another server does", s.config.Data)
		if address, err := readAddress(s.config.Data); err == nil {
			return refusal.WithHint("It serves %s; stop it, or name another directory with --data.", address.URL)
		}
		return refusal
	}
	// Until this server listens nobody may be led to where the last one, if it crashed, has been.
	if err := os.Remove(filepath.Join(s.config.Data, addressFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Unavailable, store.CodeStorage, "cannot remove the address of the server before: %w", err)
	}
	return nil
}

// flock locks a file. Find holds the lock for a moment to see whether somebody has it: that is no reason to give up.
func flock(file *os.File) error {
	const tries, pause = 20, 25 * time.Millisecond
	for try := 1; ; try++ {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || try == tries {
			return err
		}
		time.Sleep(pause)
	}
}

// capacities opens those of the configuration, in the states that the book has.
func (s *Server) capacities(ctx context.Context, book capacity.Book) ([]*capacity.Capacity, []string, error) {
	statuses, err := book.CapacityStatuses(ctx)
	if err != nil {
		return nil, nil, err
	}
	var (
		capacities []*capacity.Capacity
		names      []string
	)
	for _, c := range s.config.Capacities {
		opened, err := capacity.New(capacity.Options{
			Name: c.Name, Memory: int64(c.Memory), MaxConcurrentRefreshes: c.MaxConcurrentRefreshes,
			Status: statuses[strings.ToLower(c.Name)], Book: book, EvictAfter: time.Duration(c.EvictAfter),
		})
		if err != nil {
			return nil, nil, err
		}
		capacities, names = append(capacities, opened), append(names, c.Name)
	}
	return capacities, names, nil
}

// listen begins to listen and writes down where, for Find.
func (s *Server) listen(handler http.Handler) error {
	listener, err := net.Listen("tcp", s.config.Listen)
	if err != nil {
		return cannotListen(s.config.Listen, "--listen", err)
	}
	s.listener = s.limited(listener)
	s.later(closing(listener))
	s.http = httpServer(handler, s.logger)
	s.address = Address{URL: "http://" + reachable(listener), Data: s.config.Data, Open: s.config.Auth.Mode == AuthNone}
	if err := s.listenTLS(); err != nil {
		return err
	}
	if err := s.listenTDS(handler); err != nil {
		return err
	}
	content, err := json.Marshal(s.address)
	if err != nil {
		return err
	}
	path := filepath.Join(s.config.Data, addressFile)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fault.New(fault.Unavailable, store.CodeStorage, "cannot write the server's address: %w", err)
	}
	s.later(func() error { return os.Remove(path) })
	return nil
}

// httpServer has the limits of slow and of talkative callers. Answers have no limit of time here: a query streams as long as its reader reads,
// and sets a limit for each piece. A handler that takes a large body gives it more time.
func httpServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
}

// limited lets so many connections through at the same time as the configuration says; the others wait.
func (s *Server) limited(listener net.Listener) net.Listener {
	if s.config.Limits.Connections == 0 {
		return listener
	}
	return netutil.LimitListener(listener, s.config.Limits.Connections)
}

func cannotListen(address, flag string, err error) error {
	hint := "Name an address of this machine, with a port up to 65535, by %s HOST:PORT."
	if errors.Is(err, unix.EADDRINUSE) {
		hint = "Another program uses that address; choose one with %s HOST:PORT."
	}
	return fault.New(fault.Unavailable, codeAddress, "cannot listen on %s: %w", address, err).WithHint(hint, flag)
}

// closing closes a listener that its server may have closed before.
func closing(listener net.Listener) func() error {
	return func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// reachable is the HOST:PORT at which this machine reaches a listener.
func reachable(listener net.Listener) string {
	address := listener.Addr().(*net.TCPAddr)
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(address.Port))
}

// Address returns where the server is reached, from Open on.
func (s *Server) Address() Address { return s.address }

// Run serves until ctx ends, then lets running requests finish. Refreshes that run go on at the next start.
func (s *Server) Run(ctx context.Context) error {
	requests, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	s.http.BaseContext = func(net.Listener) context.Context { return requests }
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()

	group, failed := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fault.New(fault.Unavailable, codeAddress, "cannot serve %s: %w", s.address.URL, err)
		}
		return nil
	})
	if s.tls != nil {
		group.Go(func() error {
			if err := s.http.ServeTLS(s.tls, "", ""); !errors.Is(err, http.ErrServerClosed) {
				return fault.New(fault.Unavailable, codeAddress, "cannot serve %s: %w", s.address.TLS, err)
			}
			return nil
		})
	}
	statements := make(chan struct{}) // closed when the last of the gateway has ended
	group.Go(func() error {
		defer close(statements)
		return s.gateway.serve(failed)
	})
	group.Go(func() error { return s.engine.Run(work) })
	group.Go(func() error { return s.sweep(work) })
	group.Go(func() error {
		s.notify.Run(work, s.rows)
		return nil
	})
	if s.folders != nil {
		group.Go(func() error {
			s.folders.Run(work)
			return nil
		})
	}
	group.Go(func() error {
		schedule.Run(work, schedule.Options{Store: s.rows, Refreshes: s.engine, Now: time.Now, Logger: s.logger})
		return nil
	})
	group.Go(func() error {
		<-failed.Done() // told to stop, or one of the others has failed
		defer stopWork()
		close(s.stopping)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := s.http.Shutdown(limit); err != nil {
			s.logger.Warn("requests were cut off", "after", drainTime)
			abandon()
			err = s.http.Close()
			<-statements
			return err
		}
		<-statements
		return nil
	})
	return group.Wait()
}

// sweep deletes files that nobody needs and old refreshes, from time to time.
func (s *Server) sweep(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if deleted, err := s.store.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.logger.Error("cannot delete files that nobody needs", "error", err)
		} else if deleted > 0 {
			s.logger.Info("deleted files that nobody needs", "files", deleted)
		}
		if forgotten, err := s.engine.ForgetHistory(ctx); err != nil && ctx.Err() == nil {
			s.logger.Error("cannot shorten the history of refreshes", "error", err)
		} else if forgotten > 0 {
			s.logger.Info("shortened the history of refreshes", "refreshes", forgotten)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Close closes everything, the last opened first.
func (s *Server) Close() error {
	var failures []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		failures = append(failures, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(failures...)
}

// Find returns where the server of a data directory is reached, if one runs.
func Find(data string) (Address, bool) {
	file, err := os.Open(filepath.Join(data, lockFile))
	if err != nil {
		return Address{}, false
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == nil {
		return Address{}, false // nobody holds it
	}
	address, err := readAddress(data)
	return address, err == nil
}

func readAddress(data string) (Address, error) {
	content, err := os.ReadFile(filepath.Join(data, addressFile))
	if err != nil {
		return Address{}, err
	}
	var address Address
	err = json.Unmarshal(content, &address)
	return address, err
}
