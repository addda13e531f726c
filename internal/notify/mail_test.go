package notify_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"freshet.dev/internal/notify"
)

// mailServer speaks as much SMTP as a client needs, and keeps what it is given.
type mailServer struct {
	security notify.Security // what it offers; "" is an unprotected connection to anybody
	auth     string          // the mechanisms that it offers
	refuse   map[string]string

	listener net.Listener
	group    sync.WaitGroup

	mu       sync.Mutex
	from, to []string
	users    []string // mechanism, user, password, and whether the line was encrypted
	messages []string
}

func (m *mailServer) start(t *testing.T) *mailServer {
	t.Helper()
	var err error
	if m.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	m.group.Go(func() {
		for {
			connection, err := m.listener.Accept()
			if err != nil {
				return
			}
			m.group.Go(func() { m.serve(connection) })
		}
	})
	t.Cleanup(func() {
		m.listener.Close()
		m.group.Wait()
	})
	return m
}

func (m *mailServer) serve(connection net.Conn) {
	defer func() { connection.Close() }()
	settings := &tls.Config{Certificates: []tls.Certificate{certificate}}
	encrypted := m.security == notify.TLS
	if encrypted {
		connection = tls.Server(connection, settings)
	}
	in := bufio.NewReader(connection)
	say := func(text string) { fmt.Fprint(connection, text+"\r\n") }
	hear := func() string {
		line, err := in.ReadString('\n')
		if err != nil {
			return "QUIT"
		}
		return strings.TrimRight(line, "\r\n")
	}
	decoded := func(text string) string {
		plain, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return err.Error()
		}
		return string(plain)
	}
	note := func(list *[]string, text string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		*list = append(*list, text)
	}
	say("220 test")
	for {
		line := hear()
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if refusal := m.refuse[verb]; refusal != "" {
			say(refusal)
			continue
		}
		switch verb {
		case "EHLO":
			if m.security == notify.StartTLS && !encrypted {
				say("250-test\r\n250 STARTTLS")
			} else if m.auth != "" {
				say("250-test\r\n250 AUTH " + m.auth)
			} else {
				say("250 test")
			}
		case "STARTTLS":
			if m.security != notify.StartTLS {
				say("502 not here")
				continue
			}
			say("220 go ahead")
			connection = tls.Server(connection, settings)
			in, encrypted = bufio.NewReader(connection), true
		case "AUTH":
			mechanism, first, _ := strings.Cut(rest, " ")
			user, password := "", ""
			if mechanism == "LOGIN" {
				say("334 " + base64.StdEncoding.EncodeToString([]byte("Username:")))
				user = decoded(hear())
				say("334 " + base64.StdEncoding.EncodeToString([]byte("Password:")))
				password = decoded(hear())
			} else {
				parts := strings.Split(decoded(first), "\x00")
				user, password = parts[1], parts[2]
			}
			note(&m.users, fmt.Sprint(mechanism, " ", user, " ", password, " ", encrypted))
			if password == "hush" {
				say("235 welcome")
			} else {
				say("535 no")
			}
		case "MAIL":
			note(&m.from, rest)
			say("250 ok")
		case "RCPT":
			note(&m.to, rest)
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			var text strings.Builder
			for line := hear(); line != "." && line != "QUIT"; line = hear() {
				text.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
			}
			note(&m.messages, text.String())
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

// sender is a service that hands mails to the server.
func (m *mailServer) sender(t *testing.T, log *bytes.Buffer, change func(*notify.Mail)) *notify.Service {
	t.Helper()
	config := notify.Mail{Host: "127.0.0.1", Port: m.listener.Addr().(*net.TCPAddr).Port, Security: m.security, From: "Freshet <freshet@example.com>"}
	if change != nil {
		change(&config)
	}
	return newService(t, notify.Config{Mail: config}, log)
}

// F12: a mail says what failed, why, and how to look further, whatever the protection of the connection.
func TestF12Mail(t *testing.T) {
	signIn := func(m *notify.Mail) { m.Username, m.Password = "freshet", "hush" }
	for _, tt := range []struct {
		server *mailServer
		users  string
	}{
		{&mailServer{security: notify.NoSecurity, auth: "PLAIN LOGIN"}, "[PLAIN freshet hush false]"},
		{&mailServer{security: notify.StartTLS, auth: "PLAIN LOGIN"}, "[PLAIN freshet hush true]"},
		{&mailServer{security: notify.StartTLS, auth: "LOGIN XOAUTH2"}, "[LOGIN freshet hush true]"},
		{&mailServer{security: notify.TLS, auth: "login"}, "[LOGIN freshet hush true]"},
	} {
		s := tt.server.start(t).sender(t, nil, signIn)
		b := &box{}
		b.put(event("Scheduled", "Failed"), ana, bo)
		once(t, s, b)
		m := tt.server
		if fmt.Sprint(m.users) != fmt.Sprintf("[%s %s]", strings.Trim(tt.users, "[]"), strings.Trim(tt.users, "[]")) {
			t.Errorf("%s: users %q", m.security, m.users)
		}
		if got := fmt.Sprint(m.from, m.to); got != "[FROM:<freshet@example.com> FROM:<freshet@example.com>] [TO:<ana@example.com> TO:<bo@example.com>]" {
			t.Errorf("%s: %s", m.security, got)
		}
		if len(m.messages) != 2 || b.left() != "" || b.warnings != nil {
			t.Fatalf("%s: %d messages, left %q, warnings %q", m.security, len(m.messages), b.left(), b.warnings)
		}
		head, body := read(t, m.messages[0])
		for name, want := range map[string]string{
			"From": `"Freshet" <freshet@example.com>`, "To": "<ana@example.com>", "Subject": "Freshet: refresh of Sales/Retail failed",
			"Message-Id": "<end_87f31ef7-1e3a-4006-9b0b-191693e79e9e.1@example.com>", "Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=utf-8",
		} {
			if head.Get(name) != want {
				t.Errorf("%s: %s is %q", m.security, name, head.Get(name))
			}
		}
		if _, err := head.Date(); err != nil {
			t.Error(err)
		}
		const want = "The refresh of Sales/Retail failed.\r\n\r\n" +
			"cannot read \"zwölf\" as a number (table 'Orders', column 'Amount', row 7)\r\n\r\n" +
			"Code:     ModelRefresh_ShortMessage_ProcessingError\r\nKind:     Scheduled\r\n" +
			"Accepted: 2026-03-01 06:30:00 UTC\r\nEnded:    2026-03-01 06:32:11 UTC, after 2m11s\r\nRows:     0\r\nRequest:  87f31ef7-1e3a-4006-9b0b-191693e79e9e\r\n\r\n" +
			"To look further:\r\n\r\n  freshet show 5b4f1d3e-0000-4000-8000-000000000001 87f31ef7-1e3a-4006-9b0b-191693e79e9e\r\n"
		if body != want {
			t.Errorf("%s: body\n%s\nwant\n%s", m.security, body, want)
		}
	}
}

// R37: a mail about a disabled schedule says what to do, and what the last of its refreshes met.
func TestR37MailOfADisabledSchedule(t *testing.T) {
	m := (&mailServer{security: notify.NoSecurity}).start(t)
	b := &box{}
	failed := event("Scheduled", "Failed")
	b.put(failed, ana)
	b.put(notify.Disabled(failed.Data, failed.Timestamp), ana)
	s := m.sender(t, nil, nil)
	once(t, s, b)
	once(t, s, b)
	if len(m.messages) != 2 {
		t.Fatalf("%d messages", len(m.messages))
	}
	end, _ := read(t, m.messages[0])
	head, body := read(t, m.messages[1])
	if got := head.Get("Subject"); got != "Freshet: schedule of Sales/Retail was disabled: its refreshes failed too often in a row" || head.Get("Message-Id") == end.Get("Message-Id") {
		t.Errorf("head %v", head)
	}
	for _, want := range []string{"\r\n  freshet schedule 5b4f1d3e-0000-4000-8000-000000000001 --enable\r\n", "\r\ncannot read \"zwölf\" as a number", "\r\n  freshet show 5b4f1d3e"} {
		if !strings.Contains(body, want) {
			t.Errorf("the body has no %q:\n%s", want, body)
		}
	}
}

// read takes a message apart.
func read(t *testing.T, text string) (mail.Header, string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	if err != nil {
		t.Fatal(err)
	}
	return message.Header, string(body)
}

// The subject says how it ended; names add no line to a mail's head and no command to its body, whatever is in them.
func TestNamesAddNothingToAMail(t *testing.T) {
	for name, want := range map[string]string{
		"Retail":  "Freshet: refresh of Sales/Retail completed",
		"Umsätze": "Freshet: refresh of Sales/Umsätze completed",
		"Retail\r\nBcc: mallory@example.com\r\n\r\nhello": "Freshet: refresh of Sales/Retail  Bcc: mallory@example.com    hello completed",
		"Retail\n.\nMAIL FROM:<mallory@example.com>":      "Freshet: refresh of Sales/Retail . MAIL FROM:<mallory@example.com> completed",
		"=?utf-8?q?=0ABcc:?=":                             "Freshet: refresh of Sales/= ?utf-8?q?=0ABcc:?= completed",
		"Retail\x00\u2028\xff":                            "Freshet: refresh of Sales/Retail  ? completed",
		strings.Repeat("x", 300):                          "Freshet: refresh of Sales/" + strings.Repeat("x", 123) + "…",
	} {
		m := (&mailServer{security: notify.NoSecurity}).start(t)
		b := &box{}
		e := event("ViaApi", "Completed")
		e.Data.Dataset.Name = name
		b.put(e, ana)
		once(t, m.sender(t, nil, nil), b)
		if len(m.messages) != 1 || len(m.from) != 1 || len(m.to) != 1 {
			t.Fatalf("%q: %d messages, from %q, to %q", name, len(m.messages), m.from, m.to)
		}
		head, body := read(t, m.messages[0])
		subject, err := new(mime.WordDecoder).DecodeHeader(head.Get("Subject"))
		if len(head) != 9 || err != nil || subject != want {
			t.Errorf("%q: subject %q, %v, head %v", name, subject, err, head)
		}
		if first, _, _ := strings.Cut(body, "\r\n"); !strings.HasSuffix(first, " completed.") || !strings.HasSuffix(body, " 87f31ef7-1e3a-4006-9b0b-191693e79e9e\r\n") {
			t.Errorf("%q: body\n%s", name, body)
		}
	}
}

// What a mail server refuses for good is not tried again, everything else is; nothing is sent in the clear that should not be, and the password is not told.
func TestMailRefusals(t *testing.T) {
	signIn := func(password string) func(*notify.Mail) {
		return func(m *notify.Mail) { m.Username, m.Password = "freshet", password }
	}
	for name, tt := range map[string]struct {
		server *mailServer
		change func(*notify.Mail)
		final  bool
		told   string
	}{
		"recipient unknown":                   {&mailServer{security: notify.NoSecurity, refuse: map[string]string{"RCPT": "550 no such user"}}, nil, true, "no such user"},
		"greylisted":                          {&mailServer{security: notify.NoSecurity, refuse: map[string]string{"RCPT": "451 later"}}, nil, false, "later"},
		"message too large":                   {&mailServer{security: notify.NoSecurity, refuse: map[string]string{"DATA": "552 too large"}}, nil, true, "too large"},
		"wrong password":                      {&mailServer{security: notify.StartTLS, auth: "PLAIN"}, signIn("hush-hush"), false, "does not let the user in"},
		"no STARTTLS":                         {&mailServer{auth: "PLAIN"}, signIn("hush"), false, "security: starttls"},
		"a name that its certificate has not": {&mailServer{security: notify.TLS}, func(m *notify.Mail) { m.Host = "localhost" }, false, "certificate"},
	} {
		var log bytes.Buffer
		m := tt.server.start(t)
		b := &box{}
		b.put(now(), ana)
		once(t, m.sender(t, &log, tt.change), b)
		if final := len(b.warnings) == 1; final != tt.final || len(m.messages) > 0 || b.left() == "" != tt.final {
			t.Errorf("%s: %d messages, left %q, warnings %q", name, len(m.messages), b.left(), b.warnings)
		}
		if text := log.String(); !strings.Contains(text, tt.told) || strings.Contains(text, "hush") {
			t.Errorf("%s: logged %s", name, text)
		}
		if strings.Contains(fmt.Sprint(m.users), "false") {
			t.Errorf("%s: signed in in the clear", name)
		}
	}
}
