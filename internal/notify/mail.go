package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// mail hands one mail to the mail server.
func (s *Service) mail(ctx context.Context, n Notification) error {
	from, err := mail.ParseAddress(s.options.Config.Mail.From)
	if err != nil {
		return fmt.Errorf("cannot read the sender's address: %w", err)
	}
	message, err := letter(from, n, s.options.Now())
	if err != nil {
		return fmt.Errorf("cannot write the mail: %w; %w", err, errFinal)
	}
	server, hangUp, err := s.options.Config.Mail.dial(ctx)
	if err != nil {
		return fmt.Errorf("cannot use the mail server: %w", timely(ctx, err))
	}
	defer hangUp()
	if err := handOver(server, from.Address, n.Target, message); err != nil {
		var answer *textproto.Error
		if errors.As(err, &answer) && answer.Code/100 == 5 {
			return fmt.Errorf("the mail server refused: %w; %w", err, errFinal)
		}
		return fmt.Errorf("cannot hand the mail over: %w", timely(ctx, err))
	}
	_ = server.Quit() // the mail has been taken
	return nil
}

// timely explains an error of a connection that was closed because ctx has ended.
func timely(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func handOver(server *smtp.Client, from, to string, message []byte) error {
	if err := server.Mail(from); err != nil {
		return err
	}
	if err := server.Rcpt(to); err != nil {
		return err
	}
	body, err := server.Data()
	if err != nil {
		return err
	}
	if _, err := body.Write(message); err != nil {
		return err
	}
	return body.Close()
}

// dial connects to the mail server, protected as configured, and signs in. Everything that is done with it ends when ctx does.
func (m Mail) dial(ctx context.Context) (server *smtp.Client, hangUp func(), err error) {
	var dialer net.Dialer
	port := map[Security]int{StartTLS: 587, TLS: 465, NoSecurity: 25}[m.security()]
	if m.Port != 0 {
		port = m.Port
	}
	if m.security() == NoSecurity {
		dialer.Control = onlyLoopback
	}
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(m.Host, strconv.Itoa(port)))
	if err != nil {
		return nil, nil, err
	}
	settings := &tls.Config{ServerName: m.Host, MinVersion: tls.VersionTLS12}
	if m.security() == TLS {
		connection = tls.Client(connection, settings)
	}
	stop := context.AfterFunc(ctx, func() { connection.Close() })
	end := func() {
		stop()
		connection.Close()
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	if server, err = smtp.NewClient(connection, m.Host); err != nil {
		return nil, nil, err
	}
	if err = server.Hello(literal(connection.LocalAddr())); err != nil {
		return nil, nil, err
	}
	if m.security() == StartTLS {
		if err = server.StartTLS(settings); err != nil {
			return nil, nil, fmt.Errorf("it does not speak TLS (security: starttls): %w", err)
		}
	}
	if m.Username != "" {
		if err = server.Auth(m.auth(server)); err != nil {
			return nil, nil, fmt.Errorf("it does not let the user in: %w", err)
		}
	}
	return server, end, nil
}

func (m Mail) security() Security {
	if m.Security == "" {
		return StartTLS
	}
	return m.Security
}

// literal is an address as a client without a name of its own says it (RFC 5321, section 4.1.3).
func literal(address net.Addr) string {
	own, err := netip.ParseAddrPort(address.String())
	switch {
	case err != nil:
		return "localhost"
	case own.Addr().Unmap().Is4():
		return "[" + own.Addr().Unmap().String() + "]"
	}
	return "[IPv6:" + own.Addr().WithZone("").String() + "]"
}

// auth chooses PLAIN, or LOGIN where the server knows nothing else.
func (m Mail) auth(server *smtp.Client) smtp.Auth {
	_, offered := server.Extension("AUTH")
	for mechanism := range strings.FieldsSeq(offered) {
		if strings.EqualFold(mechanism, "PLAIN") {
			return smtp.PlainAuth("", m.Username, m.Password, m.Host)
		}
	}
	return login(m)
}

// login is the mechanism LOGIN: the server asks for the user, then for the password.
type login Mail

func (l login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS && Mail(l).security() != NoSecurity { // which dials this machine only
		return "", nil, errors.New("the connection is not encrypted")
	}
	return "LOGIN", nil, nil
}

func (l login) Next(question []byte, more bool) ([]byte, error) {
	switch asked := strings.ToLower(string(question)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(asked, "user"):
		return []byte(l.Username), nil
	case strings.HasPrefix(asked, "pass"):
		return []byte(l.Password), nil
	}
	return nil, errors.New("the server asks for something else than user and password")
}

// letter writes a mail. Whatever the names in the event hold, they add no line to its head.
func letter(from *mail.Address, n Notification, now time.Time) ([]byte, error) {
	var text bytes.Buffer
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	head := func(name, value string) { text.WriteString(name + ": " + value + "\r\n") }
	head("From", from.String())
	head("To", (&mail.Address{Address: n.Target}).String())
	head("Subject", mime.QEncoding.Encode("utf-8", subject(n.Event)))
	head("Date", now.UTC().Format(time.RFC1123Z))
	head("Message-ID", fmt.Sprintf("<%s.%d@%s>", n.Event.id(), n.ID, domain)) // the same at each try
	head("Auto-Submitted", "auto-generated")
	head("MIME-Version", "1.0")
	head("Content-Type", "text/plain; charset=utf-8")
	head("Content-Transfer-Encoding", "quoted-printable")
	text.WriteString("\r\n")
	body := quotedprintable.NewWriter(&text)
	if _, err := body.Write([]byte(n.Event.body())); err != nil {
		return nil, err
	}
	return text.Bytes(), body.Close()
}

// headline says in a few words what has happened.
func (e Event) headline() string {
	subject := e.model()
	if _, kind := e.refreshed(); kind == "dataflow" {
		subject = "dataflow " + subject
	}
	if e.Type == scheduleDisabled {
		return "schedule of " + subject + " was disabled: its refreshes failed too often in a row"
	}
	how := map[string]string{completed: "completed", timedOut: "timed out", cancelled: "was cancelled"}[e.Data.ExtendedStatus]
	if how == "" {
		how = "failed"
	}
	return "refresh of " + subject + " " + how
}

// body says it to somebody who wants to do something about it.
func (e Event) body() string {
	var text strings.Builder
	line := func(format string, args ...any) { text.WriteString(oneLine(fmt.Sprintf(format, args...)) + "\r\n") }
	what, kind := e.refreshed()
	line("The %s.", e.headline())
	if e.Type == scheduleDisabled {
		line("The %s is not refreshed by itself any more. Once what the last of them met is mended, enable the schedule again:", kind)
		line("")
		line("  freshet schedule %s --enable", what.ID)
	}
	if cause := e.Data.Error; cause != nil {
		line("")
		line("%s", cause.Message)
		line("")
		line("Code:     %s", cause.Code)
	} else {
		line("")
	}
	const clock = "2006-01-02 15:04:05 UTC"
	line("Kind:     %s", e.Data.RefreshType)
	line("Accepted: %s", e.Data.StartTime.UTC().Format(clock))
	line("Ended:    %s, after %s", e.Data.EndTime.UTC().Format(clock), e.Data.EndTime.Sub(e.Data.StartTime).Round(time.Second))
	line("Rows:     %d", e.Data.Rows)
	line("Request:  %s", e.Data.RequestID)
	line("")
	line("To look further:")
	line("")
	line("  freshet show %s %s", what.ID, e.Data.RequestID) // ids: names could mean something to a shell
	return text.String()
}

// oneLine makes a space of everything that is not printed.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "?"))
}

// subject is an event's headline, of a bounded length, and without what a reader would take for an encoded word.
func subject(event Event) string {
	const most = 150
	text := []rune(strings.ReplaceAll(oneLine("Freshet: "+event.headline()), "=?", "= ?"))
	if len(text) > most {
		text = append(text[:most-1], '…')
	}
	return string(text)
}
