package notify_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"freshet.dev/internal/notify"
)

const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// verify is what a receiver does, as the specification of the Standard Webhooks says: the key is what follows whsec_ in base64; it signs the
// id, the timestamp and the body, joined by dots; one signature of the header, which are divided by spaces, must be v1 and that one.
func verify(secret string, header http.Header, body []byte) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", header.Get("webhook-id"), header.Get("webhook-timestamp"), body)
	for signature := range strings.FieldsSeq(header.Get("webhook-signature")) {
		version, encoded, _ := strings.Cut(signature, ",")
		if given, err := base64.StdEncoding.DecodeString(encoded); err == nil && version == "v1" && hmac.Equal(given, mac.Sum(nil)) {
			return nil
		}
	}
	return fmt.Errorf("no signature fits: %q", header.Get("webhook-signature"))
}

// The example that the libraries of the Standard Webhooks are tested with.
func TestSignatureOfTheStandard(t *testing.T) {
	const id, stamp, body, want = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(whsec, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	if got := notify.Sign(key, id, stamp, []byte(body)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	header := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {"v1,AAAA " + want}}
	if err := verify(whsec, header, []byte(body)); err != nil {
		t.Errorf("the test's own receiver: %v", err)
	}
	if verify(whsec, header, []byte(body+" ")) == nil {
		t.Error("the test's own receiver takes another body")
	}
}

// receiver is a server that answers as handle says, and a service that may reach it.
func receiver(t *testing.T, log *bytes.Buffer, handle http.HandlerFunc) (*notify.Service, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return newService(t, notify.Config{Webhooks: []notify.Webhook{
		{Name: "a", URL: server.URL + "/hush/path?token=hush", Secret: whsec, AllowHTTP: true, AllowPrivate: true},
	}}, log), server
}

// F12: a receiver gets a small JSON, signed so that it can know the sender, under an id that is the same at each try.
func TestF12Webhook(t *testing.T) {
	var requests []*http.Request
	var bodies []string
	status := http.StatusInternalServerError
	s, _ := receiver(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests, bodies = append(requests, r), append(bodies, string(body))
		w.WriteHeader(status)
	})
	b := &box{}
	e := event("Scheduled", "TimedOut")
	e.Timestamp = time.Now().UTC()
	b.put(e, hookA)
	once(t, s, b)
	status = http.StatusNoContent
	b.kept[0].due = ended
	once(t, s, b)
	if len(requests) != 2 || b.left() != "" {
		t.Fatalf("%d requests, left %q", len(requests), b.left())
	}
	want := `{"type":"refresh.timedOut","timestamp":"` + e.Timestamp.Format(time.RFC3339Nano) + `","data":{"requestId":"87f31ef7-1e3a-4006-9b0b-191693e79e9e",` +
		`"workspace":{"id":"aaaaaaaa-0000-4000-8000-000000000001","name":"Sales"},"dataset":{"id":"5b4f1d3e-0000-4000-8000-000000000001","name":"Retail"},` +
		`"refreshType":"Scheduled","status":"Failed","extendedStatus":"TimedOut","startTime":"2026-03-01T06:30:00Z","endTime":"2026-03-01T06:32:11Z","rows":0,` +
		`"error":{"code":"ModelRefresh_ShortMessage_ProcessingError","message":"cannot read \"zwölf\" as a number (table 'Orders', column 'Amount', row 7)",` +
		`"table":"Orders","column":"Amount","row":7}}}`
	for i, r := range requests {
		if bodies[i] != want {
			t.Errorf("body\n%s\nwant\n%s", bodies[i], want)
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("webhook-id") != "end_87f31ef7-1e3a-4006-9b0b-191693e79e9e" {
			t.Errorf("%s, header %v", r.Method, r.Header)
		}
		if err := verify(whsec, r.Header, []byte(bodies[i])); err != nil {
			t.Error(err)
		}
		if seconds, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
			t.Errorf("timestamp %q is not that of the try", r.Header.Get("webhook-timestamp"))
		}
	}
}

// The answers that end the tries, and those after which another one follows.
func TestAnswers(t *testing.T) {
	const arrived, again, never = "arrived", "again", "never"
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for status, want := range map[int]string{
		200: arrived, 202: arrived, 204: arrived, 301: again, 302: again, 307: again, 308: again, 400: never, 401: never, 404: never, 408: again, 410: never, 429: again, 500: again, 503: again,
	} {
		var log bytes.Buffer
		s, _ := receiver(t, &log, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
			fmt.Fprint(w, strings.Repeat("what the receiver says", 100))
		})
		b := &box{}
		b.put(now(), hookA)
		once(t, s, b)
		got := again
		switch {
		case len(b.warnings) > 0:
			got = never
		case b.left() == "":
			got = arrived
		}
		if got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
		if text := log.String() + strings.Join(b.warnings, ""); want != arrived && !strings.Contains(text, strconv.Itoa(status)) || strings.Contains(text, "receiver says") {
			t.Errorf("%d: told %s", status, text)
		}
	}
}

// A receiver whose answer does not end is not listened to.
func TestEndlessAnswer(t *testing.T) {
	s, _ := receiver(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	b := &box{}
	b.put(now(), hookA)
	once(t, s, b)
	if b.left() != "" || b.warnings != nil {
		t.Errorf("left %q, warnings %q", b.left(), b.warnings)
	}
}

// Over TLS a receiver must show a certificate that is known.
func TestWebhookOverTLS(t *testing.T) {
	calls := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	for url, arrives := range map[string]bool{server.URL: true, strings.Replace(server.URL, "127.0.0.1", "localhost", 1): false} { // which it is not for
		calls = 0
		s := newService(t, notify.Config{Webhooks: []notify.Webhook{{Name: "a", URL: url, Secret: whsec, AllowPrivate: true}}}, nil)
		b := &box{}
		b.put(now(), hookA)
		once(t, s, b)
		if (calls == 1) != arrives || (b.left() == "") != arrives {
			t.Errorf("%s: %d calls, left %q", url, calls, b.left())
		}
	}
}

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true, "223.255.255.255": true,
		"2606:4700:4700::1111": true, "2a00:1450:4001::1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.255.255.255": false, "10.0.0.1": false, "10.255.255.255": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "192.0.2.1": false, "198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false,
		"255.255.255.255": false, "::": false, "::1": false, "fc00::1": false, "fd12:3456::1": false, "fe80::1": false, "fe80::1%eth0": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
		"2001::1": false, "2001:db8::1": false, "fec0::1": false,
	} {
		if got := notify.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// No webhook reaches an address that is not public unless it may, however the address is written and whatever name resolves to it.
func TestPrivateAddressesAreRefused(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "10.0.0.1", "169.254.169.254", "[::1]", "[fc00::1]"} {
		s := newService(t, notify.Config{Webhooks: []notify.Webhook{{Name: "a", URL: "http://" + host + ":" + port, Secret: whsec, AllowHTTP: true}}}, nil)
		b := &box{}
		b.put(now(), hookA)
		once(t, s, b)
		if reached || len(b.warnings) != 1 || !strings.Contains(b.warnings[0], "is not a public one (allowPrivate of the webhook allows it)") {
			t.Errorf("%s: reached %v, warnings %q", host, reached, b.warnings)
		}
	}
}

// What is logged and told holds neither the URL, which may have a token in it, nor a key.
func TestSecretsAreNotTold(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"malformed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://\x7f")
			w.WriteHeader(302)
		},
		"not there": nil,
	} {
		var log bytes.Buffer
		s, server := receiver(t, &log, handle)
		if handle == nil {
			server.Close()
		}
		b := &box{}
		b.put(event("Scheduled", "Failed"), hookA)
		once(t, s, b)
		text := log.String() + strings.Join(b.warnings, "\n")
		if len(b.warnings) != 1 || !strings.Contains(text, "target=a") {
			t.Errorf("%s: told\n%s", name, text)
		}
		for _, secret := range []string{"hush", "MfKQ9r8", whsec} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: told\n%s", name, text)
			}
		}
	}
}

// A notification whose webhook is not configured any more is given up by name.
func TestUnknownTargets(t *testing.T) {
	s := newService(t, notify.Config{}, nil)
	b := &box{}
	b.put(now(), hookA, ana)
	once(t, s, b)
	text := strings.Join(b.warnings, "\n")
	if b.left() != "" || !strings.Contains(text, "cannot notify webhook 'a'") || !strings.Contains(text, "cannot notify ana@example.com by mail") {
		t.Errorf("left %q, told %s", b.left(), text)
	}
}
