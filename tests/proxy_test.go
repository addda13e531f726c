package tests

import (
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"freshet.dev/internal/server"
)

// trouble is what a proxy does to a connection whose client has sent a text.
type trouble struct {
	when  *regexp.Regexp // of what the client has sent
	after int            // bytes of the server's answer that still pass
	how   fate
	times int // how often; 0 = always
}

// fate is how a connection goes on.
type fate string

const (
	reset   fate = "reset"   // both ends get a RST
	closed  fate = "closed"  // both ends get a FIN
	stall   fate = "stall"   // nothing passes any more, and nothing is closed
	trickle fate = "trickle" // four bytes pass each quarter of a second
)

// proxy stands between Freshet and a server, and makes trouble. When one end closes, it closes the other one.
type proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu       sync.Mutex
	troubles []*trouble
	links    map[*link]bool
	sent     strings.Builder // by all clients
	refuses  bool            // new connections are reset
	closing  bool
}

// link is one connection through the proxy.
type link struct {
	proxy          *proxy
	client, server *net.TCPConn
	ended          chan struct{} // closed with both ends
	end            func(fate)

	sent    strings.Builder // by the client
	trouble *trouble        // the one that it is in
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, links: map[*link]bool{}}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// close ends every connection and waits.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.cut(reset)
	p.running.Wait()
}

// cut ends the connections that are open.
func (p *proxy) cut(how fate) {
	p.mu.Lock()
	open := p.links
	p.links = map[*link]bool{}
	p.mu.Unlock()
	for l := range open {
		l.end(how)
	}
}

// on makes trouble from now on.
func (p *proxy) on(when string, after int, how fate, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = append(p.troubles, &trouble{regexp.MustCompile(when), after, how, times})
	for l := range p.links {
		l.sent.Reset() // what was sent before is not meant
	}
}

// trouble makes the only trouble there is from now on; heal ends it, with the connections.
func (p *proxy) trouble(when string, after int, how fate) {
	p.troubleEnds()
	p.on(when, after, how, -1)
}

func (p *proxy) heal() {
	p.troubleEnds()
	p.cut(reset)
}

// troubleEnds lets connections be that are not in trouble yet.
func (p *proxy) troubleEnds() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = nil
}

// troubled returns how many connections are in trouble.
func (p *proxy) troubled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if l.trouble != nil {
			n++
		}
	}
	return n
}

// refuse makes new connections end at once, or not.
func (p *proxy) refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = yes
}

// count returns how often clients have sent a text.
func (p *proxy) count(pattern string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(regexp.MustCompile(pattern).FindAllString(p.sent.String(), -1))
}

// open returns how many connections there are.
func (p *proxy) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.join(client.(*net.TCPConn))
	}
}

// join leads a client to the server.
func (p *proxy) join(client *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dialled, err := net.Dial("tcp", p.target)
	if err != nil || p.refuses || p.closing {
		_ = client.SetLinger(0)
		_ = client.Close()
		if err == nil {
			_ = dialled.Close()
		}
		return
	}
	l := &link{proxy: p, client: client, server: dialled.(*net.TCPConn), ended: make(chan struct{})}
	var once sync.Once
	l.end = func(how fate) {
		once.Do(func() {
			if how == reset {
				_ = l.client.SetLinger(0)
				_ = l.server.SetLinger(0)
			}
			_ = l.client.Close()
			_ = l.server.Close()
			close(l.ended)
		})
	}
	p.links[l] = true
	p.running.Go(l.up)
	p.running.Go(l.down)
}

// leave is the end of the link because one of its ends has ended.
func (l *link) leave() {
	l.end(closed)
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	delete(l.proxy.links, l)
}

// up passes what the client sends, and looks for what troubles wait for.
func (l *link) up() {
	defer l.leave()
	buffer := make([]byte, 32<<10)
	for {
		n, err := l.client.Read(buffer)
		l.heard(string(buffer[:n]))
		if _, failed := l.server.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

func (l *link) heard(text string) {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	l.sent.WriteString(text)
	l.proxy.sent.WriteString(text)
	for _, t := range l.proxy.troubles {
		if l.trouble == nil && t.times != 0 && t.when.MatchString(l.sent.String()) {
			l.trouble = t
			t.times--
		}
	}
}

// down passes what the server sends, until trouble comes.
func (l *link) down() {
	defer l.leave()
	buffer := make([]byte, 32<<10)
	passed := 0 // since the trouble began
	for {
		n, err := l.server.Read(buffer)
		if err != nil {
			return
		}
		l.proxy.mu.Lock()
		trouble := l.trouble
		l.proxy.mu.Unlock()
		if trouble != nil {
			if left := trouble.after - passed; n > left {
				_, _ = l.client.Write(buffer[:left])
				l.suffer(trouble.how, buffer[left:n])
				return
			}
			passed += n
		}
		if _, err := l.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (l *link) suffer(how fate, rest []byte) {
	switch how {
	case reset, closed:
		l.end(how)
	case stall:
		<-l.ended
	case trickle:
		drops := io.MultiReader(strings.NewReader(string(rest)), l.server)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for drop := make([]byte, 4); ; {
			n, err := drops.Read(drop)
			if _, failed := l.client.Write(drop[:n]); err != nil || failed != nil {
				return
			}
			select {
			case <-tick.C:
			case <-l.ended:
				return
			}
		}
	}
}

// source is the entry of dataSources that allows the database through the proxy.
func (p *proxy) source(database postgres) server.DataSource {
	return server.DataSource{Kind: "PostgreSQL", Path: p.address() + ";" + database.database(), Username: database.config.User, Password: database.config.Password, MaxConnections: 32}
}

// from is the M expression of a table or view through the proxy.
func (p *proxy) from(database postgres, item string) string {
	return strings.Replace(database.from(item), database.server(), p.address(), 1)
}
